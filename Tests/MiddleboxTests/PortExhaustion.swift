import Middlebox
import NetworkPrimitives
import Testing
import WireFormat

@Suite struct PortExhaustion {
    /// More endpoints than ports: those that were silent the longest lose theirs.
    @Test(.timeLimit(.minutes(4))) func addressTranslator() {
        var box = AddressTranslator(address: .v4(0x0a00_0107))
        var packet = TransitPacket(Flow.up("x"))
        func send(_ number: Int, at second: Int64) -> UInt16? {
            packet.segment.source = .v4(0x0a80_0000 + UInt32(number))
            let departures = box.receive(
                packet, .up, now: Instant(nanoseconds: second * 1_000_000_000))
            return departures.first?.packet.segment.header.sourcePort
        }
        let first = send(0, at: 0)
        #expect(first != nil)
        var lowest = UInt16.max
        for number in 1..<65_000 { lowest = min(lowest, send(number, at: Int64(number)) ?? 0) }
        #expect(lowest >= 1_024 && box.forgotten > 0)
        #expect(send(0, at: 65_000) != first)
        let kept = send(64_999, at: 65_001)
        #expect(kept != nil && send(64_999, at: 65_002) == kept)
    }
}
