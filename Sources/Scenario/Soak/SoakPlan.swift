package import NetworkPrimitives
package import Topology

/// A long transfer over two paths of which one is always about to go: what happens when.
package struct SoakPlan: Hashable, Sendable {
    package var duration = Duration.seconds(600)
    /// From one break to the next.
    package var flapInterval = Duration.seconds(2)
    /// Share of packets lost at random, each way on each path.
    package var loss = 0.01
    /// The longest time that may pass without a new octet in order.
    package var stallLimit = Duration.seconds(5)
    package var direction = Direction.upload
    package var client = EndpointKind.swift
    package var server = EndpointKind.swift
    package var seed: UInt64 = 1

    package init() {}

    package enum Action: Hashable, Sendable {
        /// The interface goes down, and its host is told.
        case takeDown(path: Int)
        /// The path delivers nothing any more, and nobody is told.
        case cut(path: Int)
        /// Whichever it was, the path is there again.
        case restore(path: Int)
    }

    /// The breaks in their order. A path is away for one interval; it is back for a fifth of an
    /// interval before the other one goes. Two of four breaks are silent. At the end both are there.
    package var schedule: [(time: Duration, action: Action)] {
        var schedule: [(time: Duration, action: Action)] = []
        var away: Int?
        var number = 1
        while flapInterval * (number + 1) < duration {
            let time = flapInterval * number
            if let path = away { schedule.append((time - flapInterval / 5, .restore(path: path))) }
            let path = (number - 1) % 2
            let isSilent = (number - 1) / 2 % 2 == 1
            schedule.append((time, isSilent ? .cut(path: path) : .takeDown(path: path)))
            away = path
            number += 1
        }
        if let path = away { schedule.append((flapInterval * number, .restore(path: path))) }
        return schedule
    }

    /// Endless; the plan's end stops it.
    package var workload: Workload { Workload(.bulk, direction, seed: seed) }

    /// What its endpoints are told, as those of a handover are; validated as one.
    package var scenario: HandoverScenario {
        var scenario = HandoverScenario()
        scenario.client = client
        scenario.server = server
        scenario.workloadKind = .bulk
        scenario.direction = direction
        scenario.requestedPolicy = client == .swift ? .full : nil
        return scenario
    }
}

/// Resident memory of both ends at one moment, in octets.
package struct MemorySample: Hashable, Sendable {
    package var time: Duration
    package var client: Int
    package var server: Int

    package init(time: Duration, client: Int, server: Int) {
        self.time = time
        self.client = client
        self.server = server
    }
}

/// A path of a soak.
package struct SoakPath: Hashable, Sendable {
    package var name: String
    package var address: IPAddress
    package var hadSubflow = false

    package init(name: String, address: IPAddress) {
        self.name = name
        self.address = address
    }
}

/// What came of a soak.
package struct SoakResult: Sendable {
    package var plan: SoakPlan
    package var backend: Backend
    package var client: WorkloadSummary?
    package var server: WorkloadSummary?
    /// One a second.
    package var memory: [MemorySample] = []
    package var breaks = 0
    package var reinjectedBytes = 0
    package var joins = 0
    /// The paths between which it goes: name, the client's address, and whether a subflow was
    /// established on it.
    package var paths: [SoakPath]
    /// What went wrong on the way; a run that ends early.
    package var failure: String?

    package init(_ plan: SoakPlan, _ topology: Topology, backend: Backend) {
        self.plan = plan
        self.backend = backend
        paths = topology.paths.prefix(2).map { SoakPath(name: $0.name, address: $0.clientAddress) }
    }

    /// A subflow was established at the client's `address`.
    package mutating func noteSubflow(from address: IPAddress) {
        for index in paths.indices where paths[index].address == address {
            paths[index].hadSubflow = true
        }
    }

    /// A subflow of the client was established; `local -> remote`, as its log has it.
    package mutating func noteSubflow(tuple: String) {
        for index in paths.indices {
            let address = paths[index].address
            let local = address.isV6 ? "[\(address)]:" : "\(address):"
            if tuple.hasPrefix(local) { paths[index].hadSubflow = true }
        }
    }

    /// The receiver's end.
    package var receiver: WorkloadSummary? { plan.direction == .upload ? server : client }
    private var sender: WorkloadSummary? { plan.direction == .upload ? client : server }

    /// Growth of each end's memory: the median of the last third against that of the middle third.
    /// The first third is for buffers to find their size.
    package var memoryGrowth: (client: Int, server: Int)? {
        let third = memory.count / 3
        guard third >= 2 else { return nil }
        let middle = memory[third..<(2 * third)]
        let last = memory[(2 * third)...]
        func median(_ samples: ArraySlice<MemorySample>, _ end: (MemorySample) -> Int) -> Int {
            let sorted = samples.map(end).sorted()
            return sorted[sorted.count / 2]
        }
        return (
            median(last, \.client) - median(middle, \.client),
            median(last, \.server) - median(middle, \.server)
        )
    }

    /// What memory may grow by: pages that an allocator touches for the first time.
    package static let memoryTolerance = 2 << 20

    /// What is wrong; empty if nothing is.
    package var complaints: [String] {
        var complaints: [String] = []
        if let failure { complaints.append(failure) }
        guard let sender, let receiver else {
            return complaints + ["an end said nothing at its end"]
        }
        for (name, end) in [("sender", sender), ("receiver", receiver)] {
            if let failure = end.failure { complaints.append("\(name): \(failure)") }
        }
        if !receiver.isIntact { complaints.append("octets arrived that nobody sent") }
        if receiver.bytesReceived != sender.bytesSent {
            complaints.append(
                "\(sender.bytesSent) octets were sent, \(receiver.bytesReceived) arrived")
        }
        for path in paths where !path.hadSubflow {
            complaints.append("path '\(path.name)' never had a subflow")
        }
        if receiver.bytesReceived == 0 { complaints.append("nothing was transferred") }
        if let silence = receiver.longestSilence, silence.duration > plan.stallLimit {
            complaints.append("nothing came for \(silence.duration)")
        }
        if let growth = memoryGrowth {
            for (name, octets) in [("client", growth.client), ("server", growth.server)]
            where octets > Self.memoryTolerance {
                complaints.append("the \(name)'s memory grew by \(octets / 1_024) KiB")
            }
        }
        return complaints
    }
}
