/// Which frames a packet device sees.
package enum PacketFilter: Hashable, Sendable {
    /// All: for a relay.
    case all
    /// TCP over IPv4 or IPv6 to these ports, fragments excepted, and ICMP errors about TCP from them:
    /// for a stack.
    case tcpDestinations(PortRanges)

    /// TCP to one range of ports.
    package static func tcpDestinationPorts(_ ports: ClosedRange<UInt16>) -> PacketFilter {
        .tcpDestinations(PortRanges([ports]))
    }

    /// The filter in the kernel's classic BPF; empty for `all`.
    package var program: [FilterInstruction] {
        switch self {
        case .all: []
        case .tcpDestinations(let ports): Self.tcpProgram(ports.ranges)
        }
    }

    private static func tcpProgram(_ ports: [ClosedRange<UInt16>]) -> [FilterInstruction] {
        // Offsets in the frame: Ethernet 14, then IPv4 (20 and options) or IPv6 (40, no extension
        // headers). A load past the end of the frame ends the program and drops it. An ICMP error
        // quotes a packet of ours, which has no IP options: its source port is behind 8 octets of
        // ICMP and the quoted IP header.
        let firstRange = 27
        let accept = firstRange + 2 * ports.count
        let drop = accept + 1
        func branch(_ code: UInt16, _ k: UInt32, at: Int, yes: Int, no: Int) -> FilterInstruction {
            FilterInstruction(code, yes: UInt8(yes - at - 1), no: UInt8(no - at - 1), k)
        }
        func jump(at: Int) -> FilterInstruction {
            FilterInstruction(.jump, UInt32(firstRange - at - 1))
        }
        let head = [
            FilterInstruction(.loadHalf, 12),  // 0: EtherType
            branch(.ifEqual, 0x0800, at: 1, yes: 2, no: 16),
            FilterInstruction(.loadHalf, 20),  // 2: offset and "more fragments"
            branch(.ifBits, 0x3fff, at: 3, yes: drop, no: 4),
            FilterInstruction(.loadHeaderLength, 14),  // 4: X = 4 * IHL
            FilterInstruction(.loadByte, 23),  // 5: IPv4 protocol
            branch(.ifEqual, 6, at: 6, yes: 7, no: 9),
            FilterInstruction(.loadHalfIndexed, 16),  // 7: destination port
            jump(at: 8),
            branch(.ifEqual, 1, at: 9, yes: 10, no: drop),
            FilterInstruction(.loadByteIndexed, 22),  // 10: first octet of the quoted packet
            branch(.ifEqual, 0x45, at: 11, yes: 12, no: drop),
            FilterInstruction(.loadByteIndexed, 31),  // 12: its protocol
            branch(.ifEqual, 6, at: 13, yes: 14, no: drop),
            FilterInstruction(.loadHalfIndexed, 42),  // 14: its source port
            jump(at: 15),
            branch(.ifEqual, 0x86dd, at: 16, yes: 17, no: drop),
            FilterInstruction(.loadByte, 20),  // 17: IPv6 next header
            branch(.ifEqual, 6, at: 18, yes: 19, no: 21),
            FilterInstruction(.loadHalf, 56),  // 19: destination port
            jump(at: 20),
            branch(.ifEqual, 58, at: 21, yes: 22, no: drop),
            FilterInstruction(.loadByte, 54),  // 22: ICMPv6 type; errors are below 128
            branch(.ifAtLeast, 128, at: 23, yes: drop, no: 24),
            FilterInstruction(.loadByte, 68),  // 24: next header of the quoted packet
            branch(.ifEqual, 6, at: 25, yes: 26, no: drop),
            FilterInstruction(.loadHalf, 102),  // 26: its source port
        ]
        let ranges = ports.enumerated().flatMap { index, range in
            let at = firstRange + 2 * index
            let next = index == ports.count - 1 ? drop : at + 2
            return [
                branch(.ifAtLeast, UInt32(range.lowerBound), at: at, yes: at + 1, no: next),
                branch(.ifAbove, UInt32(range.upperBound), at: at + 1, yes: next, no: accept),
            ]
        }
        return head + ranges + [
            FilterInstruction(.answer, 0xffff_ffff),
            FilterInstruction(.answer, 0),
        ]
    }
}

/// One `struct sock_filter`.
package struct FilterInstruction: Hashable, Sendable {
    package var code: UInt16
    /// Instructions to skip when the condition holds, and when not.
    package var yes: UInt8
    package var no: UInt8
    package var k: UInt32

    init(_ code: UInt16, yes: UInt8 = 0, no: UInt8 = 0, _ k: UInt32) {
        self.code = code
        self.yes = yes
        self.no = no
        self.k = k
    }
}

extension UInt16 {
    // linux/bpf_common.h: class | size or operation | mode or source.
    package static let loadHalf: UInt16 = 0x28
    package static let loadByte: UInt16 = 0x30
    package static let loadHalfIndexed: UInt16 = 0x48
    package static let loadByteIndexed: UInt16 = 0x50
    package static let loadHeaderLength: UInt16 = 0xb1
    package static let jump: UInt16 = 0x05
    package static let ifEqual: UInt16 = 0x15
    package static let ifAbove: UInt16 = 0x25
    package static let ifAtLeast: UInt16 = 0x35
    package static let ifBits: UInt16 = 0x45
    package static let answer: UInt16 = 0x06
}
