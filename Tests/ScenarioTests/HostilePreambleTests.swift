import NetworkPrimitives
import Scenario
import Testing

/// A server serves whoever connects: what a preamble says must not stop it.
@Suite struct HostilePreambleTests {
    /// A preamble with these times, whether or not they make sense.
    private func preamble(
        _ kind: WorkloadKind, interval: UInt64 = 20_000_000, duration: UInt64 = 0,
        epoch: UInt64 = 0
    ) -> [UInt8] {
        var bytes = WorkloadPreamble(
            workload: Workload(kind, .download, size: 100, interval: .milliseconds(20)),
            epoch: .zero
        ).bytes
        for (offset, value) in [(16, interval), (24, duration), (40, epoch)] {
            for index in 0..<8 {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (56 - 8 * index))
            }
        }
        return bytes
    }

    private func serve(_ bytes: [UInt8], now: Instant) -> WorkloadEndpoint {
        var server = WorkloadEndpoint.server()
        server.started(now: now)
        bytes.withUnsafeBytes { server.received($0, now: now) }
        server.handleDeadline(now: now + .seconds(1))
        return server
    }

    private static let now = Instant(nanoseconds: 5_000_000_000)

    @Test(arguments: WorkloadKind.allCases)
    func timesBeyondADayAreRefused(_ kind: WorkloadKind) {
        let day: UInt64 = 86_400_000_000_000
        for time in [0x7fff_ffff_ffff_ffff, .max, day + 1] as [UInt64] {
            let server = serve(preamble(kind, interval: time), now: Self.now)
            #expect(server.failure == .impossible("an interval is at most a day"))
            let other = serve(preamble(kind, duration: time), now: Self.now)
            #expect(other.failure == .impossible("a workload takes at most a day"))
        }
        #expect(serve(preamble(kind, interval: day), now: Self.now).failure == nil)
    }

    /// Any epoch: the first record is due within one interval.
    @Test(arguments: [0, 1, .max, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000] as [UInt64])
    func everyEpochIsServed(_ epoch: UInt64) {
        for now in [Self.now, Instant(nanoseconds: 1 << 62), Instant(nanoseconds: 0)] {
            var server = WorkloadEndpoint.server()
            server.started(now: now)
            preamble(.stream, epoch: epoch).withUnsafeBytes { server.received($0, now: now) }
            #expect(server.failure == nil)
        }
        #expect(serve(preamble(.stream, epoch: epoch), now: Self.now).summary.recordsSent >= 49)
    }
}
