import Middlebox
import NetworkPrimitives
import Testing
import WireFormat

/// One TCP connection by hand: packets of either direction, through a chain of boxes.
struct Flow {
    static let client = Endpoint(IPAddress.v4(0x0a00_0102), 40_000)
    static let server = Endpoint(IPAddress.v4(0x0a00_0901), 5_000)
    static let clientISN: UInt32 = 1_000
    static let serverISN: UInt32 = 9_000

    var chain: MiddleboxChain
    var now = Instant.zero

    init(_ boxes: any Middlebox...) { chain = MiddleboxChain(boxes) }

    /// A segment from the client; `offset` counts from the octet behind the SYN.
    static func up(
        _ text: String = "", at offset: Int = 0, acknowledging: Int = 0, _ flags: TCPFlags = .ack,
        options: (inout TCPOptions) -> Void = { _ in }
    ) -> Segment {
        segment(client, server, clientISN, serverISN, text, offset, acknowledging, flags, options)
    }

    /// A segment from the server.
    static func down(
        _ text: String = "", at offset: Int = 0, acknowledging: Int = 0, _ flags: TCPFlags = .ack,
        options: (inout TCPOptions) -> Void = { _ in }
    ) -> Segment {
        segment(server, client, serverISN, clientISN, text, offset, acknowledging, flags, options)
    }

    private static func segment(
        _ source: Endpoint, _ destination: Endpoint, _ isn: UInt32, _ peerISN: UInt32,
        _ text: String, _ offset: Int, _ acknowledging: Int, _ flags: TCPFlags,
        _ options: (inout TCPOptions) -> Void
    ) -> Segment {
        let isSYN = flags.contains(.syn)
        var header = SegmentHeader(
            sourcePort: source.port, destinationPort: destination.port,
            sequence: SequenceNumber(isn) + (isSYN ? 0 : 1 + offset), flags: flags, window: 1_000)
        if flags.contains(.ack) {
            header.acknowledgment = SequenceNumber(peerISN) + 1 + acknowledging
        }
        options(&header.options)
        return Segment(
            source: source.address, destination: destination.address, header: header,
            payload: [UInt8](text.utf8))
    }

    /// SYN and SYN/ACK go by.
    mutating func handshake() {
        _ = send(Self.up("", .syn), .up)
        _ = send(Self.down("", [.syn, .ack]), .down)
    }

    /// Sends a packet through the chain; every packet that leaves must have right checksums.
    mutating func send(
        _ segment: Segment, _ direction: TransitDirection,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> [(segment: Segment, direction: TransitDirection)] {
        read(
            chain.receive(segment.encodedPacket(), direction, now: now),
            sourceLocation: sourceLocation)
    }

    /// Lets time go by until something is due.
    mutating func wait(
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> [(segment: Segment, direction: TransitDirection)] {
        guard let deadline = chain.deadline else { return [] }
        now = max(now, deadline)
        return read(chain.handleDeadline(now: now), sourceLocation: sourceLocation)
    }

    private func read(
        _ emissions: [MiddleboxChain.Emission], sourceLocation: SourceLocation
    ) -> [(segment: Segment, direction: TransitDirection)] {
        emissions.compactMap { emission in
            guard let segment = try? Segment(parsing: emission.octets) else {
                Issue.record("a packet that nobody can read", sourceLocation: sourceLocation)
                return nil
            }
            return (segment, emission.direction)
        }
    }
}

extension Segment {
    var text: String { String(decoding: payload, as: UTF8.self) }

    /// The sequence number from the client's octet behind the SYN.
    var upOffset: Int { SequenceNumber(Flow.clientISN + 1).distance(to: header.sequence) }
    /// The acknowledgment from the client's octet behind the SYN.
    var ackOffset: Int { SequenceNumber(Flow.clientISN + 1).distance(to: header.acknowledgment) }
}
