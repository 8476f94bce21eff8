import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Whatever happens to the packets of a join's handshake happens to it with and without data in its
/// SYN: no octet is missing or twice, and the data comes through hardly later than by the standard
/// join whose packets fare the same (fast-join, 5.6 and 6, test 5).
@Suite("Fast joins on bad paths") struct FastJoinProperties {
    enum Packet: CaseIterable { case syn, synACK, thirdACK, fourthACK }

    enum Fate { case passes, isLost, isLate(Duration) }

    /// What becomes of the first packets of each kind.
    struct Weather {
        private var fates: [[Fate]]

        init(seed: Int) {
            var generator = SeededGenerator(seed: UInt64(seed))
            fates = Packet.allCases.map { _ in
                (0..<3).map { _ in
                    switch Int.random(in: 0..<8, using: &generator) {
                    case 0, 1: .isLost
                    case 2, 3: .isLate(.milliseconds(Int.random(in: 1...90, using: &generator)))
                    default: .passes
                    }
                }
            }
        }

        mutating func next(_ packet: Packet) -> Fate {
            let number = Packet.allCases.firstIndex(of: packet) ?? 0
            return fates[number].isEmpty ? .passes : fates[number].removeFirst()
        }
    }

    struct Ends {
        var client = JoinVariant.synData
        var server = JoinVariant.synData
        var provisional = ProvisionalPolicy.limited
        var profile = FastJoinProfile.compat

        static let all =
            [Ends(client: .earlyData, server: .earlyData), Ends(server: .standard)]
            + [.strict, .limited].map { Ends(provisional: $0) } + [Ends(profile: .multimob)]
    }

    private static let ready = 510

    private func kind(_ segment: Segment, isForward: Bool, hasFourth: Bool) -> Packet? {
        if segment.isJoin || segment.multimob != nil {
            return segment.isSYN ? .syn : segment.isSYNACK ? .synACK : .thirdACK
        }
        let isFourth = !isForward && !hasFourth && !segment.isReset && segment.payload.isEmpty
        return isFourth ? .fourthACK : nil
    }

    /// WiFi is gone at 410 ms; at 510 ms it is back, or LTE is there. Returns when the first new octet
    /// arrived behind that.
    private func resume(
        _ ends: Ends, seed: Int, toLTE: Bool, isUpload: Bool
    ) -> (network: TwoPathNetwork, time: Duration) {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        shape.client.connection.fastJoin.variant = ends.client
        shape.server.connection.fastJoin.variant = ends.server
        shape.server.connection.fastJoin.provisional = ends.provisional
        shape.client.connection.fastJoin.profile = ends.profile
        shape.server.connection.fastJoin.profile = ends.profile
        let total = 200 * 30
        let network = TwoPathNetwork(
            shape, upload: isUpload ? total : 0, download: isUpload ? 0 : total)
        network.clientApp.released = 0
        network.serverApp.released = 0
        for record in 0..<30 {
            network.at(200 + 20 * record) { $0.release(isUpload ? $0.client : $0.server, 200) }
        }
        network.at(410) { $0.setInterface(0, isUp: false) }
        network.at(Self.ready) { $0.setInterface(toLTE ? 1 : 0, isUp: true) }
        var weather = Weather(seed: seed)
        var hasFourth = false
        network.simulation.middlebox = { [unowned network] packet, link, isForward in
            guard network.simulation.now >= network.milliseconds(Int64(Self.ready)),
                let segment = try? Segment(parsing: packet),
                let kind = kind(segment, isForward: isForward, hasFourth: hasFourth)
            else { return [packet] }
            if kind == .fourthACK { hasFourth = true }
            switch weather.next(kind) {
            case .passes: return [packet]
            case .isLost: return []
            case .isLate(let delay):
                let host = isForward ? network.server : network.client
                let interface = InterfaceID(isForward || link == 0 ? 1 : 2)
                let delay = delay + .milliseconds(link == 0 ? 10 : 30)
                network.simulation.at(network.simulation.now + delay) { simulation in
                    simulation.perform(host) { stack in
                        packet.withUnsafeBytes {
                            stack.receive(
                                $0, verification: .checksum, on: interface, now: simulation.now)
                        }
                    }
                }
                return []
            }
        }
        network.run(.seconds(60))
        let ready = network.milliseconds(Int64(Self.ready))
        let app = isUpload ? network.serverApp : network.clientApp
        return (network, app.firstArrival(after: ready).map { $0 - ready } ?? .seconds(60))
    }

    /// What the standard join takes, and at most one SYN timer and two round trips: 250 ms and 40 ms on
    /// WiFi, which the host knows, a second and 120 ms on LTE (fast-join, 5.4 rule 4). A peer that
    /// does not speak of fast joins costs nothing.
    @Test(arguments: [true, false], [true, false])
    func neverWorse(toLTE: Bool, isUpload: Bool) {
        let worst = Duration.milliseconds(toLTE ? 1_000 + 125 : 250 + 45)
        for seed in 1...30 {
            let standard = resume(
                Ends(client: .standard, server: .standard), seed: seed, toLTE: toLTE,
                isUpload: isUpload)
            standard.network.expectIntact()
            for ends in Ends.all {
                let fast = resume(ends, seed: seed, toLTE: toLTE, isUpload: isUpload)
                fast.network.expectIntact()
                let penalty = ends.server == .standard ? .zero : worst
                #expect(fast.time <= standard.time + penalty, "seed \(seed), \(ends)")
            }
        }
    }
}
