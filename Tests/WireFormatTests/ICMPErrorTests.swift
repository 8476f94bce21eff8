import NetworkPrimitives
import Testing
import WireFormat

@Suite("ICMP errors")
struct ICMPErrorTests {
    /// Fragmentation needed, next-hop MTU 1300, about a segment of 1500 octets.
    private static let v4 = octets(
        """
        45000038 00004000 400124c3 0a000101 0a000102 0304 03b7 0000 0514
        450005dc 00004000 3f06181a 0a000102 0a000901 9c41 1389 11223344
        """)
    /// Packet too big, MTU 1300, about a segment of 1500 octets, cut behind the TCP header.
    private static let v6 = octets(
        """
        60000000 00443a40 20010db8000100000000000000000001 20010db8000100000000000000000002
        0200 925c 00000514
        60000000 05b40640 20010db8000100000000000000000002 20010db8000900000000000000000001
        9c41 1389 11223344 55667788 801001f6 00000000
        """)

    private func parse(_ bytes: [UInt8], isVerified: Bool = true) throws -> ICMPError {
        try bytes.withUnsafeBytes { try ICMPError(parsing: $0, isVerified: isVerified) }
    }

    /// Another type and code; the checksum follows.
    private func changed(type: UInt8, code: UInt8, v6 isV6: Bool) -> [UInt8] {
        var bytes = isV6 ? Self.v6 : Self.v4
        let start = isV6 ? 40 : 20
        var sum = UInt32(bytes[start + 2]) << 8 | UInt32(bytes[start + 3])
        // RFC 1624: HC' = ~(~HC + ~m + m').
        sum = (~sum & 0xffff) + (~(UInt32(bytes[start]) << 8 | UInt32(bytes[start + 1])) & 0xffff)
        sum += UInt32(type) << 8 | UInt32(code)
        sum = (sum & 0xffff) + sum >> 16
        sum = ~((sum & 0xffff) + sum >> 16) & 0xffff
        (bytes[start], bytes[start + 1]) = (type, code)
        (bytes[start + 2], bytes[start + 3]) = (UInt8(sum >> 8), UInt8(sum & 0xff))
        return bytes
    }

    @Test("vectors")
    func vectors() throws {
        let four = try parse(Self.v4)
        #expect(four.problem == .packetTooBig(mtu: 1_300))
        #expect(four.reporter == IPAddress("10.0.1.1"))
        #expect(four.sequence == SequenceNumber(0x1122_3344))
        #expect(four.tuple.description == "10.0.1.2:40001 -> 10.0.9.1:5001")
        let six = try parse(Self.v6)
        #expect(six.problem == .packetTooBig(mtu: 1_300))
        #expect(six.reporter == IPAddress("2001:db8:1::1"))
        #expect(six.sequence == SequenceNumber(0x1122_3344))
        #expect(six.tuple.description == "[2001:db8:1::2]:40001 -> [2001:db8:9::1]:5001")
    }

    @Test("every type and code")
    func types() throws {
        typealias Problem = ICMPError.Problem
        let known: [(UInt8, UInt8, Bool, Problem)] = [
            (3, 0, false, .unreachable(code: 0)), (3, 13, false, .unreachable(code: 13)),
            (11, 0, false, .timeExceeded(code: 0)), (12, 0, false, .parameterProblem(code: 0)),
            (1, 4, true, .unreachable(code: 4)), (3, 1, true, .timeExceeded(code: 1)),
            (4, 1, true, .parameterProblem(code: 1)),
        ]
        for (type, code, isV6, problem) in known {
            #expect(try parse(changed(type: type, code: code, v6: isV6)).problem == problem)
        }
        // Source quench is history (RFC 6633), echoes and redirects are no errors.
        for (type, isV6) in [(UInt8(4), false), (8, false), (5, false), (128, true), (137, true)] {
            #expect(throws: ParseError.unsupported) {
                try parse(changed(type: type, code: 0, v6: isV6))
            }
        }
    }

    @Test("what is cut, damaged or about something else is refused", arguments: [false, true])
    func refused(isV6: Bool) throws {
        let vector = isV6 ? Self.v6 : Self.v4
        for count in 0..<vector.count {
            #expect(throws: ParseError.truncated) { try parse(Array(vector.prefix(count))) }
        }
        let start = isV6 ? 40 : 20
        for index in start..<vector.count {
            var damaged = vector
            damaged[index] ^= 0x10
            #expect(throws: ParseError.self) { try parse(damaged) }
            // Whatever the rest means then, it means something or is refused.
            _ = try? parse(damaged, isVerified: false)
        }
        var other = vector
        other[start + 8 + (isV6 ? 6 : 9)] = 17
        #expect(throws: ParseError.notTCP) { try parse(other, isVerified: false) }
    }

    @Test("a quotation that the packet's length cuts off is refused", arguments: [false, true])
    func shortQuotation(isV6: Bool) {
        let vector = isV6 ? Self.v6 : Self.v4
        // Behind the eight octets of TCP that every quotation has.
        for count in (isV6 ? 40 : 20)..<(isV6 ? 40 + 8 + 40 + 8 : vector.count) {
            var short = Array(vector.prefix(count))
            if isV6 {
                (short[4], short[5]) = (0, UInt8(count - 40))
            } else {
                (short[2], short[3]) = (0, UInt8(count))
                (short[10], short[11]) = (0, 0)
                var sum = InternetChecksum()
                short.prefix(20).withUnsafeBytes { sum.add($0) }
                short[10] = UInt8(sum.checksum >> 8)
                short[11] = UInt8(truncatingIfNeeded: sum.checksum)
            }
            #expect(throws: ParseError.truncated) { try parse(short, isVerified: false) }
        }
    }
}
