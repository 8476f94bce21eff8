internal import CLinux
package import LinkModel
internal import LinuxSystem
package import Netlink
package import NetworkPrimitives
package import Topology

/// The links of a testbed on the kernel's netem.
///
/// In the links' namespace each path has two interfaces, `wifi0-c` towards the client and `wifi0-r`
/// towards the router. What comes in through one is redirected to the other before the kernel's own
/// stack sees it, and there it waits in netem:
///
///     client --- wifi0-c [ingress: redirect] ------> [netem: up] wifi0-r --- router
///     client --- wifi0-c [netem: down] <------ [ingress: redirect] wifi0-r --- router
///
/// Nothing of it needs this process to run. Call `cut`, `mend` and `stop` from one thread at a time.
package final class NetemLinkEmulator: LinkEmulator {
    private let links: [PlannedLink]
    /// What each link is like now, up and down.
    private var profiles: [(up: LinkProfile, down: LinkProfile)]
    /// Whether it is, or was since it last was empty, another link than planned.
    private var hasChanged: [Bool]
    private let controller: RouteController
    private var isCut: [Bool]
    private var isStopped = false

    /// The filters at an ingress: the lower number decides.
    private static let dropPriority: UInt16 = 1
    private static let redirectPriority: UInt16 = 10
    private static let rootHandle: UInt16 = 1

    /// Starts to emulate in the namespace that `controller` belongs to. The interfaces are there,
    /// and nothing is set up at them yet.
    package init(_ links: [PlannedLink], _ controller: RouteController) throws(TestbedError) {
        for link in links {
            guard link.path.middleboxes.isEmpty else {
                throw TestbedError(
                    "start netem on \(link.path.name)", "netem has no middleboxes; the relay has")
            }
            guard link.path.promotion == nil else {
                throw TestbedError(
                    "start netem on \(link.path.name)",
                    "netem has no radio that sleeps ('promotion'); the relay has")
            }
            for profile in [link.path.up, link.path.down] {
                if let obstacle = NetemParameters.obstacle(to: profile) {
                    throw TestbedError("start netem on \(link.path.name)", obstacle)
                }
            }
        }
        self.links = links
        self.controller = controller
        profiles = links.map { ($0.path.up, $0.path.down) }
        hasChanged = links.map { _ in false }
        isCut = links.map { _ in false }
        do {
            for index in links.indices { try start(index) }
        } catch {
            stop()
            throw TestbedError("start netem", error)
        }
    }

    private func start(_ index: Int) throws(NetlinkError) {
        try shape(index)
        let link = links[index]
        for (from, to) in [(link.clientEnd, link.routerEnd), (link.routerEnd, link.clientEnd)] {
            // tc qdisc add dev wifi0-c ingress
            try controller.addIngressQueue(on: from)
            // tc filter add dev wifi0-c ingress protocol all prio 10 matchall action mirred egress
            // redirect dev wifi0-r
            try controller.addIngressFilter(
                .redirect(to: to), priority: Self.redirectPriority, on: from)
        }
    }

    /// Puts netem at both exits.
    private func shape(_ index: Int) throws(NetlinkError) {
        let link = links[index]
        let ends = [(link.routerEnd, profiles[index].up), (link.clientEnd, profiles[index].down)]
        for (name, profile) in ends {
            let stages = NetemParameters.stages(
                for: profile, mtu: link.path.mtu, isChanging: hasChanged[index]
            ).map { QueueDiscipline.netem(NetworkEmulation($0)) }
            // tc qdisc replace dev wifi0-r root handle 1: netem limit 1000000 delay 10000us
            try controller.setRootQueue(
                stages[0], on: name, handle: stages.count > 1 ? Self.rootHandle : nil)
            // tc qdisc replace dev wifi0-r parent 1:1 netem limit 166 rate 50000000bit
            for child in stages.dropFirst() {
                try controller.setChildQueue(child, of: Self.rootHandle, on: name)
            }
        }
    }

    /// Breaks a link in both directions, and tells nobody: the interfaces keep their carrier. What
    /// is inside is lost. When this returns, nothing arrives any more; the result is that moment.
    package func cut(_ path: Int) throws(TestbedError) -> Instant {
        guard !isCut[path] else { return MonotonicClock.now() }
        let link = links[path]
        let ends = [link.clientEnd, link.routerEnd]
        do {
            // First nothing comes in any more.
            // tc filter add dev wifi0-c ingress protocol all prio 1 matchall action drop
            for name in ends {
                try controller.addIngressFilter(.drop, priority: Self.dropPriority, on: name)
            }
            isCut[path] = true
            // Then what is inside goes with its queue.
            // tc qdisc delete dev wifi0-r root
            for name in ends { try controller.removeRootQueue(on: name) }
            hasChanged[path] = profiles[path] != (link.path.up, link.path.down)
        } catch {
            throw TestbedError("cut \(link.path.name)", error)
        }
        return MonotonicClock.now()
    }

    /// Makes a link whole again; empty as it is, it carries what comes from then on.
    package func mend(_ path: Int) throws(TestbedError) {
        guard isCut[path] else { return }
        let link = links[path]
        do {
            // Nothing may come in before the queues are back.
            try shape(path)
            // tc filter delete dev wifi0-c ingress protocol all prio 1
            for name in [link.clientEnd, link.routerEnd] {
                try controller.removeIngressFilter(priority: Self.dropPriority, on: name)
            }
        } catch {
            throw TestbedError("mend \(link.path.name)", error)
        }
        isCut[path] = false
    }

    /// Gives the queues that are in place other parameters. Only where netem had nothing to do but
    /// limit the rate does the first change put new queues there, and what is inside is lost.
    @discardableResult
    package func change(
        _ path: Int, up: LinkProfile, down: LinkProfile
    ) throws(TestbedError) -> Instant {
        guard profiles[path] != (up, down) else { return MonotonicClock.now() }
        for profile in [up, down] {
            if let obstacle = NetemParameters.obstacle(to: profile) {
                throw TestbedError("change \(links[path].path.name)", obstacle)
            }
        }
        profiles[path] = (up, down)
        hasChanged[path] = true
        guard !isCut[path] else { return MonotonicClock.now() }
        do {
            // tc qdisc replace dev wifi0-r root handle 1: netem limit 1000000 delay 250000us
            try shape(path)
        } catch {
            throw TestbedError("change \(links[path].path.name)", error)
        }
        return MonotonicClock.now()
    }

    package var hasRealTimePriority: Bool? { nil }

    package func begin(seed: UInt64) {}

    /// Counted since the link was last mended.
    package func statistics() throws(TestbedError) -> [LinkStatistics] {
        do {
            // tc -s qdisc show
            let queues = try controller.queues().filter { $0.kind == "netem" }
            return try zip(links, profiles).map { link, profile throws(NetlinkError) in
                LinkStatistics(
                    up: try direction(profile.up, link.routerEnd, queues),
                    down: try direction(profile.down, link.clientEnd, queues))
            }
        } catch {
            throw TestbedError("read the counters of netem", error)
        }
    }

    private func direction(
        _ profile: LinkProfile, _ end: String, _ queues: [QueueStatistics]
    ) throws(NetlinkError) -> LinkStatistics.Direction {
        let interface = try controller.interface(named: end)
        let stages = queues.filter { $0.interface == interface }
        var direction = LinkStatistics.Direction()
        guard let root = stages.first(where: \.isRoot) else { return direction }
        direction.delivered = Int(clamping: root.packets)
        if let line = stages.first(where: { !$0.isRoot }) {
            // The root counts what its child drops as dropped, too.
            direction.queueDrops = Int(clamping: line.drops)
            direction.losses = Int(clamping: root.drops) - direction.queueDrops
        } else if profile.rate == nil {
            direction.losses = Int(clamping: root.drops)
        } else {
            // One stage for all: it does not tell loss from a full queue.
            direction.queueDrops = Int(clamping: root.drops)
            direction.losses = profile.loss == .none ? 0 : nil
        }
        return direction
    }

    /// Takes everything away. What is gone already, with its interface or namespace, is no error.
    package func stop() {
        guard !isStopped else { return }
        isStopped = true
        for link in links {
            for name in [link.clientEnd, link.routerEnd] {
                try? controller.removeIngressQueue(on: name)
                try? controller.removeRootQueue(on: name)
            }
        }
    }
}

extension NetemLinkEmulator {
    /// Why this kernel, or this process, cannot emulate links so; `nil` when it can. Tried on a
    /// veth pair in a network namespace that ends with the call.
    package static func obstacle() -> String? {
        do {
            // A namespace without a name: it lives as long as the thread and the socket.
            return try NamespaceThread.onFreshThread { () throws -> String? in
                try checked(clinux_unshare(Int32(CLINUX_NEWNET)), "unshare")
                let controller = try RouteController()
                try controller.createVeth("probe-c", peer: "probe-r")
                let emulation = NetworkEmulation(delay: .milliseconds(1))
                try controller.setRootQueue(.netem(emulation), on: "probe-c")
                try controller.addIngressQueue(on: "probe-r")
                try controller.addIngressFilter(.drop, priority: 1, on: "probe-r")
                try controller.addIngressFilter(
                    .redirect(to: "probe-c"), priority: 2, on: "probe-r")
                return nil
            }
        } catch let error as NetlinkError where error.reason == .notSupported {
            let module = error.command.contains("netem") ? "netem" : "mirred and matchall"
            return "this kernel has no \(module) (\(error))"
        } catch {
            return "\(error)"
        }
    }

    /// Whether this kernel can emulate links so, and lets this process do it.
    package static func isAvailable() -> Bool { obstacle() == nil }
}

extension NetworkEmulation {
    /// The same parameters for netlink.
    init(_ parameters: NetemParameters) {
        self.init(
            delay: parameters.delay, jitter: parameters.jitter,
            duplicate: parameters.duplication, corrupt: parameters.corruption,
            rate: parameters.rate, limit: parameters.limit)
        switch parameters.loss {
        case .none: break
        case .bernoulli(let share): loss = share
        case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
            burstLoss = BurstLoss(
                goodToBad: goodToBad, badToGood: badToGood, lossInGood: lossInGood,
                lossInBad: lossInBad)
        }
    }
}
