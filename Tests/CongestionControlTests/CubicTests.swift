import CongestionControl
import Glibc
import NetworkPrimitives
import Testing

@Suite("CUBIC")
struct CubicTests {
    private static let roundTrip = Duration.milliseconds(100)

    /// The window in segments.
    private func segments(_ controller: CongestionController) -> Double {
        Double(controller.window) / Double(segment)
    }

    /// A window of acknowledgments each round trip, spread over it, until `time` after `start`.
    private func run(
        _ controller: inout CongestionController, from start: Instant, for time: Duration,
        roundTrip: Duration = Self.roundTrip
    ) {
        var now = start
        while now - start < time {
            let count = max(controller.window / segment, 1)
            let step = Duration.nanoseconds(roundTrip.wholeNanoseconds / Int64(count))
            for _ in 0..<count where now - start < time {
                now += step
                controller.grow(by: segment, roundTrip: roundTrip, now: now)
            }
        }
    }

    /// RFC 9438, figure 1.
    private func cubic(_ time: Double, maximum: Double, epochWindow: Double) -> Double {
        let inflection = cbrt((maximum - epochWindow) / 0.4)
        return 0.4 * pow(time - inflection, 3) + maximum
    }

    @Test("a loss leaves seven tenths")
    func decrease() {
        var controller = CongestionController(.cubic)
        controller.grow(by: 90 * segment, now: .zero)
        controller.enterRecovery(inFlight: 100 * segment, now: .zero)
        #expect(controller.window == 70 * segment)
        controller.exitRecovery(now: .zero)
        // Of the window, whatever part of it is in flight: unused, it did not grow.
        controller.enterRecovery(inFlight: 2 * segment, now: .zero)
        #expect(controller.window == 49 * segment)
        for _ in 0..<20 { controller.enterRecovery(inFlight: segment, now: .zero) }
        #expect(controller.window == 2 * segment)
    }

    @Test(
        "the window follows the curve: concave up to the maximum, convex behind it",
        arguments: [2.0, 4.0, 6.0, 8.0, 10.0, 14.0])
    func curve(_ seconds: Double) {
        // Large enough to be out of the Reno-friendly region.
        var controller = CongestionController.avoiding(.cubic, segments: 700)
        run(&controller, from: .zero, for: .seconds(seconds))
        let expected = cubic(seconds, maximum: 1_000, epochWindow: 700)
        // It moves by the share of the way that the ACKs of one round trip cover, so it trails.
        #expect(abs(segments(controller) - expected) < 0.01 * expected)
    }

    @Test("with small windows and short round trips it is as fast as Reno")
    func renoFriendly() {
        var controller = CongestionController.avoiding(.cubic, segments: 7)
        let roundTrip = Duration.milliseconds(10)
        run(&controller, from: .zero, for: .seconds(1), roundTrip: roundTrip)
        // RFC 9438, 4.3: 0.529 segments a round trip up to ten, one from there on.
        let toPrior = 3 / (3 * 0.3 / 1.7)
        let expected = 10 + (100 - toPrior)
        #expect(abs(segments(controller) - expected) < 0.1 * expected)
    }

    @Test("fast convergence: a loss below the last maximum lowers it further")
    func fastConvergence() {
        var controller = CongestionController.avoiding(.cubic, segments: 700)
        // Again at 700, below the maximum of 1000: the new one is 700 * 1.7 / 2.
        controller.enterRecovery(inFlight: 700 * segment, now: .zero)
        controller.exitRecovery(now: .zero)
        #expect(abs(segments(controller) - 490) < 0.01)
        run(&controller, from: .zero, for: .seconds(5))
        let inflection = cbrt((595.0 - 490) / 0.4)
        #expect(inflection > 5)
        let expected = cubic(5, maximum: 595, epochWindow: 490)
        #expect(abs(segments(controller) - expected) < 0.01 * expected)
    }

    @Test("after a timeout congestion avoidance starts at the inflection point")
    func timeout() {
        var controller = CongestionController(.cubic)
        controller.grow(by: 990 * segment, now: .zero)
        controller.retransmissionTimeout(
            inFlight: 1_000 * segment, isFirstForThisLoss: true, now: .zero)
        controller.grow(by: controller.slowStartThreshold - segment, now: .zero)
        #expect(abs(segments(controller) - 700) < 0.01)
        #expect(!controller.isInSlowStart)
        run(&controller, from: .zero, for: .seconds(5))
        // RFC 9438, 4.8: K is 0 and the maximum is the window at the start.
        let expected = cubic(5, maximum: 700, epochWindow: 700)
        #expect(abs(segments(controller) - expected) < 0.01 * expected)
    }

    @Test("time in which the window was not the limit does not count")
    func applicationLimited() {
        var steady = CongestionController.avoiding(.cubic, segments: 700)
        run(&steady, from: .zero, for: .seconds(8))
        var interrupted = CongestionController.avoiding(.cubic, segments: 700)
        run(&interrupted, from: .zero, for: .seconds(4))
        for step in 1...600 {
            interrupted.acknowledged(
                bytes: segment, inFlight: segment, isWindowLimited: false,
                roundTrip: Self.roundTrip, now: .zero + .seconds(4) + .milliseconds(100 * step))
        }
        run(&interrupted, from: .zero + .seconds(64), for: .seconds(4))
        #expect(abs(segments(interrupted) - segments(steady)) < 0.01 * segments(steady))
    }

    @Test("no more than half again in a round trip, however long nothing was heard")
    func clamp() {
        var controller = CongestionController.avoiding(.cubic, segments: 20)
        run(&controller, from: .zero, for: .seconds(1))
        let before = controller.window
        for _ in 0..<(before / segment) {
            controller.grow(by: segment, now: .zero + .seconds(1_000))
        }
        // 1.5 of the growing window for each ACK, not of the one before: e^0.5 at most.
        #expect(Double(controller.window) < 1.65 * Double(before))
    }
}
