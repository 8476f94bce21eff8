package import LinuxSystem
package import NetworkPrimitives
package import Scenario

/// What the experiment tells the kernel's path manager of the client, and when.
///
/// The kernel reacts neither to a link that goes down nor to an address that goes
/// (kernel-baseline.md, 6.1): whatever it is to do must be said. `as-is` says nothing at `t0`.
package struct KernelHandoverPlan: Hashable, Sendable {
    package enum Step: Hashable, Sendable {
        case add(KernelPathEndpoint)
        /// Delete the endpoint of this address.
        case giveUp(IPAddress)
    }

    package var beforeStart: [Step] = []
    package var atBreak: [Step] = []
    /// When the new path's interface, addresses and routes are there.
    package var atMake: [Step] = []

    private let oldAddress: IPAddress
    private let flags: KernelPathEndpoint.Flags

    /// The plan for a client whose connection begins on `oldAddress`, which needs no endpoint.
    package init(_ scenario: HandoverScenario, oldAddress: IPAddress, newAddress: IPAddress) {
        self.oldAddress = oldAddress
        flags = scenario.policy == .backup ? [.subflow, .backup] : [.subflow]
        guard scenario.client == .kernel else { return }
        let newPath = join(newAddress)
        let isTold =
            !scenario.isNull
            && (scenario.kernelPathManagement == .endpointDelete
                || scenario.breakKind == .addressRemoved)
        if isTold { atBreak.append(.giveUp(oldAddress)) }
        switch (scenario.mode, scenario.policy) {
        case (.makeBeforeBreak, _) where !scenario.joinsAfterBreak: beforeStart.append(newPath)
        case (.makeBeforeBreak, _):
            // The new path is up but not joined; a path manager that is told of the break joins it
            // before it gives the old one up.
            if isTold { atBreak.insert(newPath, at: 0) }
        case (.breakBeforeMake, _): atMake.append(newPath)
        }
    }

    /// What makes the kernel join from an address, once its interface and routes are there.
    package func join(_ address: IPAddress) -> Step {
        var flags = flags
        // Only an announced address is of the new path's family.
        if oldAddress.isV6 != address.isV6 { flags.insert(.laminar) }
        return .add(KernelPathEndpoint(address, flags))
    }
}

extension KernelPathManager {
    /// Sets a namespace up for handovers: room for subflows, nothing left of an earlier run. A kernel that
    /// takes lost SYNs for a blackhole (since 6.12) would make plain TCP of later runs: it is not to.
    package func prepare() throws(SystemError) {
        try flush()
        try setLimits(subflows: Self.largestLimit, acceptedAddresses: Self.largestLimit)
        let blackhole = KernelSetting.blackholeTimeout
        if (try? blackhole.value()) != nil { try blackhole.set("0") }
    }

    /// Carries steps out, in order.
    package func perform(_ steps: [KernelHandoverPlan.Step]) throws(SystemError) {
        for step in steps {
            switch step {
            case .add(let endpoint): try add(endpoint)
            case .giveUp(let address): try giveUp(address)
            }
        }
    }
}
