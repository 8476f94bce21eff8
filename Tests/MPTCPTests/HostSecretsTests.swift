import MPTCP
import NetworkPrimitives
import Testing

/// What a host draws from its secret.
@Suite struct HostSecretsTests {
    private func tuple(_ port: UInt16, isV6: Bool = false) -> FourTuple {
        let address = isV6 ? IPAddress.v6(0x2001_0db8_0000_0000, 1) : IPAddress.v4(0x0a00_0001)
        return FourTuple(
            local: Endpoint(address, port), remote: Endpoint(IPAddress.v4(0x0a00_0002), 80))
    }

    private func at(_ microseconds: Int64) -> Instant { Instant(nanoseconds: microseconds * 1_000) }

    @Test func followFromSeed() {
        var first = HostSecrets(seed: 9)
        var same = HostSecrets(seed: 9)
        var other = HostSecrets(seed: 10)
        var seen: Set<UInt64> = [first.cookies, other.cookies]
        #expect(first.cookies == same.cookies)
        for _ in 0..<100 {
            var drawn = first.draw()
            var again = same.draw()
            var foreign = other.draw()
            let numbers = [drawn.keys.next(), drawn.connection.next(), drawn.port]
            #expect(numbers == [again.keys.next(), again.connection.next(), again.port])
            seen.formUnion(numbers)
            seen.formUnion([foreign.keys.next(), foreign.connection.next(), foreign.port])
        }
        #expect(seen.count == 2 + 600)
    }

    /// RFC 6528: for one tuple the numbers follow a clock, between tuples nothing shows.
    @Test func sequenceNumbers() {
        let secrets = HostSecrets(seed: 9)
        let first = secrets.subflow(tuple(1), now: at(0))
        let later = secrets.subflow(tuple(1), now: at(4_000))
        #expect(first.initialSequence.distance(to: later.initialSequence) == 1_000)
        #expect(first.timestampOffset == later.timestampOffset)
        var seen: Set<UInt32> = []
        for port in 1...100 as ClosedRange<UInt16> {
            for isV6 in [false, true] {
                let numbers = secrets.subflow(tuple(port, isV6: isV6), now: at(0))
                seen.formUnion([numbers.initialSequence.rawValue, numbers.timestampOffset])
            }
        }
        #expect(seen.count == 400)
        let other = HostSecrets(seed: 10).subflow(tuple(1), now: at(0))
        #expect(other.initialSequence != first.initialSequence)
    }
}
