import CongestionControl
import NetworkPrimitives
import Testing

/// The size of segments in these tests.
let segment = 1_400

extension CongestionController {
    init(_ kind: CongestionControlKind) {
        self.init(kind: kind, maximumSegmentSize: segment, now: .zero)
    }

    /// A controller in congestion avoidance at this many segments, reached by a fast retransmit.
    static func avoiding(_ kind: CongestionControlKind, segments: Int) -> CongestionController {
        var controller = CongestionController(kind)
        let factor = kind == .cubic ? 1 / 0.7 : 2.0
        let before = Int((Double(segments * segment) * factor).rounded(.up))
        controller.grow(by: before - controller.window, now: .zero)
        controller.enterRecovery(inFlight: before, now: .zero)
        controller.exitRecovery(now: .zero)
        return controller
    }

    /// So many octets acknowledged at once while the window is the limit.
    mutating func grow(by bytes: Int, roundTrip: Duration = .milliseconds(50), now: Instant) {
        acknowledged(
            bytes: bytes, inFlight: window, isWindowLimited: true, roundTrip: roundTrip, now: now)
    }
}

@Suite("Slow start and reductions")
struct SlowStartTests {
    @Test(
        "the initial window of RFC 6928",
        arguments: [
            (1_400, 14_000), (1_460, 14_600), (536, 5_360), (2_000, 14_600), (9_000, 18_000),
        ])
    func initialWindow(_ size: Int, _ expected: Int) {
        for kind in CongestionControlKind.allCases {
            let controller = CongestionController(kind: kind, maximumSegmentSize: size, now: .zero)
            #expect(controller.window == expected)
            #expect(controller.isInSlowStart)
        }
    }

    @Test("the initial window follows the segment size until it was used")
    func segmentSize() {
        var controller = CongestionController(.reno)
        controller.maximumSegmentSizeChanged(to: 536)
        #expect(controller.window == 5_360)
        controller.grow(by: 536, now: .zero)
        controller.maximumSegmentSizeChanged(to: 1_400)
        #expect(controller.window == 5_896)
    }

    @Test("slow start grows by what is acknowledged", arguments: CongestionControlKind.allCases)
    func slowStart(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind)
        controller.grow(by: segment, now: .zero)
        #expect(controller.window == 11 * segment)
        controller.grow(by: 11 * segment, now: .zero)
        #expect(controller.window == 22 * segment)
    }

    @Test("an unused window does not grow", arguments: CongestionControlKind.allCases)
    func notLimited(_ kind: CongestionControlKind) {
        for var controller in [CongestionController(kind), .avoiding(kind, segments: 20)] {
            let before = controller.window
            for step in 1...1_000 {
                controller.acknowledged(
                    bytes: segment, inFlight: segment, isWindowLimited: false,
                    roundTrip: .milliseconds(50), now: .zero + .milliseconds(step))
            }
            #expect(controller.window == before)
        }
    }

    @Test("slow start ends at the threshold", arguments: CongestionControlKind.allCases)
    func threshold(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind)
        controller.grow(by: 90 * segment, now: .zero)
        controller.retransmissionTimeout(
            inFlight: 100 * segment, isFirstForThisLoss: true, now: .zero)
        #expect(controller.window == segment)
        #expect(controller.slowStartThreshold == (kind == .cubic ? 70 : 50) * segment)
        controller.grow(by: controller.slowStartThreshold - segment, now: .zero)
        #expect(controller.window == controller.slowStartThreshold)
        #expect(!controller.isInSlowStart)
    }

    @Test("repeated timeouts of one loss reduce the threshold once")
    func repeatedTimeout() {
        for kind in CongestionControlKind.allCases {
            var controller = CongestionController(kind)
            controller.retransmissionTimeout(
                inFlight: 10 * segment, isFirstForThisLoss: true, now: .zero)
            let threshold = controller.slowStartThreshold
            controller.retransmissionTimeout(
                inFlight: segment, isFirstForThisLoss: false, now: .zero + .seconds(1))
            #expect(controller.slowStartThreshold == threshold)
            #expect(controller.window == segment)
        }
    }

    @Test("a spurious reduction is undone once", arguments: CongestionControlKind.allCases)
    func undo(_ kind: CongestionControlKind) {
        var controller = CongestionController(kind)
        controller.grow(by: 20 * segment, now: .zero)
        let window = controller.window
        controller.retransmissionTimeout(
            inFlight: window, isFirstForThisLoss: true, now: .zero)
        controller.undo()
        #expect(controller.window == window)
        #expect(controller.isInSlowStart)
        controller.enterRecovery(inFlight: window, now: .zero)
        controller.exitRecovery(now: .zero)
        controller.undo()
        controller.undo()
        #expect(controller.window == window)
    }

    @Test("after idle time the window is the initial one at most")
    func idle() {
        for kind in CongestionControlKind.allCases {
            var controller = CongestionController(kind)
            controller.grow(by: 20 * segment, now: .zero)
            controller.restartAfterIdle(now: .zero + .seconds(10))
            #expect(controller.window == 10 * segment)
            controller.retransmissionTimeout(
                inFlight: segment, isFirstForThisLoss: true, now: .zero + .seconds(10))
            controller.restartAfterIdle(now: .zero + .seconds(20))
            #expect(controller.window == segment)
        }
    }

    @Test(
        "bounds hold under any events", arguments: CongestionControlKind.allCases,
        1...20 as ClosedRange<UInt64>)
    func randomEvents(_ kind: CongestionControlKind, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var controller = CongestionController(kind)
        var size = segment
        var now = Instant.zero
        for _ in 0..<2_000 {
            now += .microseconds(Int64(generator.next() % 100_000))
            let before = controller.window
            let inFlight = Int(generator.next() % UInt64(2 * before))
            switch generator.next() % 16 {
            case 0:
                controller.enterRecovery(inFlight: inFlight, now: now)
                #expect(controller.window <= max(before, 2 * size))
                #expect(controller.window == controller.slowStartThreshold)
            case 1: controller.exitRecovery(now: now)
            case 2:
                controller.retransmissionTimeout(
                    inFlight: inFlight, isFirstForThisLoss: generator.next() % 2 == 0, now: now)
                #expect(controller.window == size)
            case 3: controller.undo()
            case 4:
                controller.restartAfterIdle(now: now)
                #expect(controller.window <= before)
            case 5:
                size = 500 + Int(generator.next() % 1_000)
                controller.maximumSegmentSizeChanged(to: size)
            default:
                let bytes = 1 + Int(generator.next() % UInt64(4 * size))
                controller.acknowledged(
                    bytes: bytes, inFlight: inFlight, isWindowLimited: generator.next() % 4 != 0,
                    roundTrip: generator.next() % 8 == 0 ? nil : .milliseconds(30), now: now)
                #expect(controller.window >= before)
                // No algorithm here is faster than slow start, a segment's rounding aside.
                #expect(controller.window <= before + bytes + size)
            }
            #expect(controller.window >= size)
            // Two segments of the smallest size.
            #expect(controller.slowStartThreshold >= 1_000)
        }
    }
}

@Suite("NewReno")
struct NewRenoTests {
    @Test("a loss halves, but not below two segments")
    func halving() {
        var controller = CongestionController(.reno)
        controller.grow(by: 30 * segment, now: .zero)
        controller.enterRecovery(inFlight: 40 * segment, now: .zero)
        #expect(controller.window == 20 * segment)
        #expect(controller.slowStartThreshold == 20 * segment)
        controller.exitRecovery(now: .zero)
        #expect(controller.window == 20 * segment)
        // RFC 5681, 3.1: half of what is in flight, not of the window.
        controller.enterRecovery(inFlight: 10 * segment, now: .zero)
        #expect(controller.window == 5 * segment)
        controller.enterRecovery(inFlight: segment, now: .zero)
        #expect(controller.window == 2 * segment)
    }

    @Test("congestion avoidance adds a segment for each window")
    func avoidance() {
        var controller = CongestionController.avoiding(.reno, segments: 20)
        #expect(controller.window == 20 * segment)
        for round in 1...10 {
            let acks = controller.window / segment
            for _ in 0..<acks { controller.grow(by: segment, now: .zero) }
            #expect(controller.window == (20 + round) * segment)
        }
    }

    @Test("octets counted towards a larger window are forgotten at a loss")
    func countForgotten() {
        var controller = CongestionController.avoiding(.reno, segments: 20)
        for _ in 0..<19 { controller.grow(by: segment, now: .zero) }
        controller.enterRecovery(inFlight: 20 * segment, now: .zero)
        controller.exitRecovery(now: .zero)
        controller.grow(by: segment, now: .zero)
        #expect(controller.window == 10 * segment)
    }
}
