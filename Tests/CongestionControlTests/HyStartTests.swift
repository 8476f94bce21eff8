import CongestionControl
import NetworkPrimitives
import Testing

@Suite("HyStart++")
struct HyStartTests {
    /// A sender in slow start whose rounds take this long, in milliseconds; each window is
    /// acknowledged in ten pieces.
    private func run(
        _ controller: inout CongestionController, roundTrips: [Int64]
    ) {
        for roundTrip in roundTrips {
            let window = controller.window
            for piece in 0..<10 {
                controller.observeRoundTrip(roundTrip * 1_000_000, startsRound: piece == 0)
                controller.grow(by: window / 10, now: .zero)
            }
        }
    }

    @Test("steady round trips leave slow start alone", arguments: CongestionControlKind.allCases)
    func steady(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind)
        run(&controller, roundTrips: [20, 21, 20, 22, 20])
        #expect(controller.window == 10 * segment * 32)
        #expect(controller.slowStartThreshold == .max)
    }

    /// RFC 9406, 4.2: a growth of an eighth slows down to a quarter of the pace, and five rounds
    /// later slow start is over.
    @Test("growing round trips end it", arguments: CongestionControlKind.allCases)
    func growing(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind)
        run(&controller, roundTrips: [40, 40, 46])
        let window = controller.window
        run(&controller, roundTrips: [50])
        #expect(controller.window < window + window / 4 + segment)
        #expect(controller.slowStartThreshold == .max)
        run(&controller, roundTrips: [54, 58, 62])
        #expect(controller.slowStartThreshold == .max)
        run(&controller, roundTrips: [66])
        #expect(!controller.isInSlowStart)
        #expect(controller.slowStartThreshold < 5 * window)
    }

    @Test("jitter that goes away resumes slow start")
    func jitter() {
        var controller = CongestionController(.cubic)
        run(&controller, roundTrips: [40, 40, 46])
        let window = controller.window
        run(&controller, roundTrips: [40])
        #expect(controller.window > window + window / 3)
        run(&controller, roundTrips: [40, 40, 40, 40, 40, 40])
        #expect(controller.slowStartThreshold == .max)
    }

    /// RFC 9406, 4.3: less than four milliseconds is noise, sixteen is enough on any path.
    @Test(
        "the threshold has bounds",
        arguments: [(8 as Int64, 11 as Int64, 12 as Int64), (200, 215, 216)])
    func bounds(_ base: Int64, _ below: Int64, _ above: Int64) {
        for (roundTrip, isConservative) in [(below, false), (above, true)] {
            var controller = CongestionController(.cubic)
            run(&controller, roundTrips: [base, roundTrip])
            let window = controller.window
            run(&controller, roundTrips: [roundTrip])
            #expect((controller.window < window + window / 2) == isConservative)
        }
    }

    @Test("later slow starts know their threshold and are not slowed down")
    func onlyTheFirst() {
        var controller = CongestionController(.cubic)
        controller.grow(by: 90 * segment, now: .zero)
        controller.retransmissionTimeout(
            inFlight: 100 * segment, isFirstForThisLoss: true, now: .zero)
        let threshold = controller.slowStartThreshold
        run(&controller, roundTrips: [20, 40, 80])
        #expect(controller.window == 8 * segment)
        #expect(controller.slowStartThreshold == threshold)
    }

    /// After it ends CUBIC grows from where it is, not back to a loss that never was.
    @Test("CUBIC starts convex")
    func convex() {
        var controller = CongestionController(.cubic)
        run(&controller, roundTrips: [40, 40, 46, 50, 54, 58, 62, 66, 66])
        let window = controller.window
        controller.grow(by: window, roundTrip: .milliseconds(66), now: .zero + .milliseconds(66))
        #expect(controller.window <= window + 2 * segment)
    }
}
