import CongestionControl
import NetworkPrimitives
import Testing

/// What other paths see of one that repairs losses.
@Suite struct CoupledRecoveryTests {
    /// RFC 6356, 3: in fast recovery the window counts as the threshold, not as what proportional
    /// rate reduction allows just now.
    @Test(arguments: [CongestionControlKind.lia, .olia, .balia])
    func sampleInRecovery(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind: kind, maximumSegmentSize: 1_000, now: .zero)
        controller.acknowledged(
            bytes: 10_000, inFlight: 10_000, isWindowLimited: true, roundTrip: nil, now: .zero)
        let window = controller.window
        func sampled() -> Int? { controller.sample(roundTrip: .milliseconds(10))?.window }
        #expect(sampled() == window)
        controller.enterRecovery(inFlight: window, now: .zero)
        controller.limitDuringReduction(to: 1_000)
        #expect(sampled() == window / 2)
        controller.limitDuringReduction(to: window)
        #expect(sampled() == window / 2)
        controller.exitRecovery(now: .zero)
        #expect(sampled() == controller.window)
        controller.enterRecovery(inFlight: window, now: .zero)
        controller.retransmissionTimeout(
            inFlight: window, isFirstForThisLoss: false, now: .zero)
        #expect(sampled() == 1_000)
    }
}
