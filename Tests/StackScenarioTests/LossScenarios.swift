import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import TCP
import Testing
import WireFormat

/// What recovery makes of paths that lose, reorder and overflow: one subflow, 50 Mbit/s, 20 ms.
@Suite struct LossScenarios {
    private func shape(_ change: (inout LinkProfile) -> Void) -> TwoPathNetwork.Shape {
        var shape = TwoPathNetwork.Shape.breakBeforeMake
        change(&shape.wifi)
        return shape
    }

    /// Seconds until the last byte of an upload has arrived, and what the sender counted until then.
    private func upload(
        _ size: Int, over shape: TwoPathNetwork.Shape, seed: UInt64,
        later change: ((inout LinkProfile) -> Void)? = nil
    ) -> (seconds: Double, counters: TCPConnection.Counters?) {
        let network = TwoPathNetwork(shape, upload: size, download: 0, seed: seed)
        if let change {
            network.at(35) {
                change(&$0.simulation.links[0].forward.profile)
                change(&$0.simulation.links[0].backward.profile)
            }
        }
        var arrived: Instant?
        var counters: TCPConnection.Counters?
        network.onRead = { network, _ in
            guard arrived == nil, network.serverApp.received == size else { return }
            arrived = network.simulation.now
            counters = network.information(network.client)?.subflows.first?.counters
        }
        network.run(.seconds(60))
        network.expectIntact()
        return (((arrived ?? network.simulation.now) - .zero).seconds, counters)
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    /// RFC 9438, 5.1: where CUBIC is as fast as Reno it reaches sqrt(3/2p) segments per round trip;
    /// at five per cent timeouts and tiny windows cost a part of that.
    @Test(arguments: [(0.01, 3_000_000, 0.85), (0.05, 1_000_000, 0.6)])
    func randomLoss(_ probability: Double, _ size: Int, _ share: Double) {
        let lossy = shape { $0.loss = .bernoulli(probability) }
        let goodput = median(
            (1...7).map { Double(size) * 8 / upload(size, over: lossy, seed: $0).seconds })
        let expected = (1.5 / probability).squareRoot() * 1_420 * 8 / 0.020
        #expect(goodput >= share * expected, "\(goodput / 1e6) of \(expected / 1e6) Mbit/s")
    }

    /// Packets overtake each other by up to three milliseconds: no reason to slow down. Not yet those
    /// of the handshake: data that overtakes the third ACK is lost, because the listener does not
    /// know yet whether it is MPTCP.
    @Test func reordering() {
        let (seconds, counters) = upload(5_000_000, over: shape { _ in }, seed: 3) {
            $0.jitter = .microseconds(1_500)
            $0.reorders = true
        }
        #expect(5 * 8 / seconds >= 0.7 * 50, "\(seconds) s, \(String(describing: counters))")
        #expect(counters?.timeouts == 0)
        #expect((counters?.duplicatesReported ?? .max) < 40, "\(String(describing: counters))")
    }

    /// Slow start into a shallow queue: what it overshoots is repaired without a timeout.
    @Test func slowStartIntoShallowQueue() {
        let shallow = shape { $0.queue = .time(.milliseconds(20)) }
        let (seconds, counters) = upload(5_000_000, over: shallow, seed: 5)
        #expect(counters?.timeouts == 0, "\(String(describing: counters))")
        #expect(5 * 8 / seconds >= 0.75 * 50, "\(seconds) s, \(String(describing: counters))")
    }
}
