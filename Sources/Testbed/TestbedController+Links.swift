package import LinkModel
internal import LinuxSystem
internal import Netlink
package import NetworkPrimitives
internal import Topology

/// What happens to paths. All are numbered as in the topology.
extension TestbedController {
    /// The client's interface goes down, and what is inside the link is lost.
    ///
    /// - Returns: When the path stopped delivering. The client's kernel announces the link's end some
    ///   tenths of a millisecond later.
    @discardableResult
    package func setLinkDown(_ path: Int) throws(TestbedError) -> Instant {
        let instant = try emulator.cut(path)
        try setInterface(path, up: false)
        return instant
    }

    /// Before a run that begins without this path: as `setLinkDown`.
    package func prepareDown(_ path: Int) throws(TestbedError) { try setLinkDown(path) }

    /// What can be done before `setLinkUp`, so that it takes no time of its own: the link works, and
    /// the neighbours are known. The interface stays down.
    package func prepareUp(_ path: Int) throws(TestbedError) {
        try emulator.mend(path)
        do {
            // The kernel takes neighbours for an interface that is down, but no routes.
            for step in plan.neighbourSteps(path: path) { try executor.perform(step) }
        } catch {
            throw TestbedError("neighbours of \(topology.paths[path].interface)", error)
        }
    }

    /// The client's interface comes up and is usable at once: the routes are there when whoever
    /// listens hears of it. After `prepareUp`.
    ///
    /// - Returns: When the kernel was told.
    @discardableResult
    package func setLinkUp(_ path: Int) throws(TestbedError) -> Instant {
        try setInterface(path, up: true)
    }

    /// From the returned instant on everything on the path is dropped, in both directions, and
    /// nobody is told.
    @discardableResult
    package func cut(_ path: Int) throws(TestbedError) -> Instant { try emulator.cut(path) }

    /// Undoes `cut`.
    package func mend(_ path: Int) throws(TestbedError) { try emulator.mend(path) }

    /// The link of a path is like this from the returned instant on (`LinkEmulator.change`).
    @discardableResult
    package func change(
        _ path: Int, up: LinkProfile, down: LinkProfile
    ) throws(TestbedError) -> Instant { try emulator.change(path, up: up, down: down) }

    /// All paths as the topology says, up, mended and empty, as after `build`: so a run begins, whose
    /// chances follow from the seed (`LinkEmulator.begin`).
    package func restore(seed: UInt64? = nil) throws(TestbedError) {
        for path in topology.paths.indices {
            try change(path, up: topology.paths[path].up, down: topology.paths[path].down)
            _ = try emulator.cut(path)
        }
        // Now nothing of the run before draws a number any more.
        if let seed { try emulator.begin(seed: seed) }
        for path in topology.paths.indices { try restore(path) }
    }

    /// Undoes `setLinkDown` or `cut`, whichever it was.
    package func restore(_ path: Int) throws(TestbedError) {
        try prepareUp(path)
        let name = topology.paths[path].interface
        let isUp: Bool
        do {
            isUp = try executor.controller(.client).link(named: name).isUp
        } catch {
            throw TestbedError("ip link show dev \(name)", error)
        }
        if !isUp { try setInterface(path, up: true) }
    }

    /// The end of the link towards the client has carrier again, but its queue stays shut until the
    /// kernel's link watch gets round to it: mostly at once, sometimes 50 ms late. This opens it now.
    private func startQueue(_ end: String) throws {
        queueLength = queueLength == Self.queueLengths.0 ? Self.queueLengths.1 : Self.queueLengths.0
        try executor.controller(.links).setTransmitQueueLength(end, queueLength)
    }

    /// Only a change does it. Neither the relay nor netem heeds the length.
    private static let queueLengths = (1_000, 1_001)

    @discardableResult
    private func setInterface(_ path: Int, up: Bool) throws(TestbedError) -> Instant {
        let name = topology.paths[path].interface
        do {
            let controller = try executor.controller(.client)
            guard up else {
                try controller.setDown(name)
                return MonotonicClock.now()
            }
            var routes: [Route] = []
            for route in plan.clientRoutes(path: path) {
                routes.append(try KernelPlanExecutor.route(route, controller))
            }
            let instant = MonotonicClock.now()
            try controller.setUp(name, installing: routes)
            try startQueue(plan.links[path].clientEnd)
            return instant
        } catch {
            throw TestbedError("set \(name) \(up ? "up" : "down")", error)
        }
    }
}
