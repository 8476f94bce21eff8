import CongestionControl
import Foundation
import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing

/// Many connections of random size over random bad links. Every byte must arrive intact, and no
/// connection may take longer than its links explain. The count can be set by `MPTCPCTL_CONNECTIONS`.
@Suite struct RandomConnections {
    static let count =
        ProcessInfo.processInfo.environment["MPTCPCTL_CONNECTIONS"].flatMap { Int($0) } ?? 1_000
    static let chunks = 8

    struct Plan {
        var shape: TwoPathNetwork.Shape
        var upload: Int
        var download: Int
        var outages: [Outage] = []
    }

    /// A path is gone for a while, with or without a link event.
    struct Outage {
        var path: Int
        var from: Int
        var length: Int
        var isKnown: Bool
    }

    func plan(_ generator: inout SeededGenerator) -> Plan {
        var shape = TwoPathNetwork.Shape()
        let policies: [SwitchPolicy] = [.full, .backup, .full]
        shape.client.connection.policy = policies.randomElement(using: &generator) ?? .full
        shape.client.connection.usesChecksum = Int.random(in: 0..<4, using: &generator) == 0
        if Int.random(in: 0..<6, using: &generator) == 0 {
            shape.server.connection.receiveBuffer = 32_768
        }
        var plan = Plan(shape: shape, upload: 0, download: 0)
        plan.shape.wifi = profile(&generator)
        plan.shape.lte = profile(&generator)
        let sizes = [0, 1, 700, 5_000, 20_000, 60_000]
        plan.upload = sizes.randomElement(using: &generator) ?? 0
        plan.download = sizes.randomElement(using: &generator) ?? 0
        for _ in 0..<Int.random(in: 0...2, using: &generator) {
            let from = Int.random(in: 50...600, using: &generator)
            plan.outages.append(
                Outage(
                    path: Int.random(in: 0...1, using: &generator), from: from,
                    length: Int.random(in: 20...1_500, using: &generator),
                    isKnown: Bool.random(using: &generator)))
        }
        plan.shape.client.connection.scheduler =
            SchedulerKind.allCases.randomElement(using: &generator) ?? .lowestRTT
        plan.shape.server.connection.scheduler =
            SchedulerKind.allCases.randomElement(using: &generator) ?? .lowestRTT
        plan.shape.client.connection.opportunisticRetransmission = Bool.random(using: &generator)
        plan.shape.client.connection.tcp.congestionControl =
            CongestionControlKind.allCases.randomElement(using: &generator) ?? .cubic
        plan.shape.client.connection.versions =
            Int.random(in: 0..<4, using: &generator) == 0 ? .v0 : .v1
        plan.shape.server.connection.versions = .any
        return plan
    }

    private func profile(_ generator: inout SeededGenerator)
        -> LinkProfile
    {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: Int64.random(in: 1...50, using: &generator) * 1_000_000),
            oneWayDelay: .milliseconds(Int64.random(in: 2...80, using: &generator)))
        profile.queue = .packets(Int.random(in: 20...200, using: &generator))
        let loss = Double.random(in: 0...0.05, using: &generator)
        profile.loss = .bernoulli(loss)
        profile.jitter = .milliseconds(Int64.random(in: 0...5, using: &generator))
        profile.reorders = Bool.random(using: &generator)
        profile.duplication = Double.random(in: 0...0.01, using: &generator)
        profile.corruption = Double.random(in: 0...0.01, using: &generator)
        return profile
    }

    /// Breaks a path for a while. A connection whose only path is taken down before the peer has
    /// shown that it speaks MPTCP cannot live: such an outage waits.
    private func schedule(_ outage: Outage, on network: TwoPathNetwork) {
        let now = Int(network.simulation.now.nanoseconds / 1_000_000)
        if outage.isKnown, outage.path == 0, network.first("subflow_established", 0) == nil {
            network.at(now + 100) { self.schedule(outage, on: $0) }
        } else if outage.isKnown {
            network.setInterface(outage.path, isUp: false)
            network.at(now + outage.length) { $0.setInterface(outage.path, isUp: true) }
        } else {
            network.cut(outage.path)
            network.at(now + outage.length) { $0.cut(outage.path, false) }
        }
    }

    /// The network of a seed, with its outages planned.
    func network(_ seed: UInt64) -> TwoPathNetwork {
        var generator = SeededGenerator(seed: seed)
        let plan = plan(&generator)
        let network = TwoPathNetwork(
            plan.shape, upload: plan.upload, download: plan.download, seed: seed)
        network.invariantStride = 8
        for outage in plan.outages {
            network.at(outage.from) { schedule(outage, on: $0) }
        }
        return network
    }

    @Test(arguments: 0..<chunks)
    func everyByteArrives(chunk: Int) {
        var unfinished: [UInt64] = []
        var steps = 0
        for number in 0..<Self.count where number % Self.chunks == chunk {
            let seed = UInt64(number) &* 7_919 &+ 17
            let network = network(seed)
            // The outages, a timeout that has doubled through each of them, some lost SYNs or
            // retransmissions in a row (5 % three times running: one in ten thousand), and the data
            // at the rate of the slower link; then the minute for which an end waits whose peer is
            // gone before its last ACK came.
            network.run(.seconds(110))
            network.expectIntact()
            if network.clientApp.closed != .finished || network.serverApp.closed != .finished {
                unfinished.append(seed)
            }
            steps += network.simulation.steps
        }
        #expect(unfinished.isEmpty, "seeds \(unfinished)")
        // On average some hundred packets each: nothing is busy for nothing.
        #expect(steps < Self.count / Self.chunks * 3_000 + 10_000)
    }
}
