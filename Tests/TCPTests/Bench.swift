import NetworkPrimitives
import Testing
import WireFormat

@testable import TCP

/// One connection and a hand-written peer. Sequence numbers are relative, as in tcpdump: 0 is the
/// SYN, 1 the first octet; times are in milliseconds.
final class Bench {
    static let local = SequenceNumber(0xffff_ff00)
    static let peer = SequenceNumber(0x7fff_fff0)
    static let tuple = FourTuple(
        local: Endpoint(IPAddress.v4(0x0a00_0001), 40_000),
        remote: Endpoint(IPAddress.v4(0x0a00_0002), 80))

    /// What the connection sent.
    struct Sent: Equatable, CustomStringConvertible {
        var time: Int
        var flags: TCPFlags
        var sequence: Int
        var acknowledgment: Int
        var length: Int

        var description: String {
            "\(time) \(Bench.name(flags)) \(sequence):\(sequence + length) ack \(acknowledgment)"
        }
    }

    var tcp: TCPConnection
    var now = Instant.zero
    var outbox: [(sent: Sent, segment: OutgoingSegment)] = []
    /// What the peer sends beside the numbers.
    var peerOptions = TCPOptions()
    var peerWindow: UInt16 = 60_000
    /// Payload up to which new data may leave in one piece; 0 for a segment at a time.
    var superSegment = 0
    /// What the last segment did.
    var lastReception = Reception()
    var closeReason: TCPCloseReason?

    var milliseconds: Int { Int(now.nanoseconds / 1_000_000) }

    init(_ configuration: TCPConfiguration = TCPConfiguration()) {
        tcp = TCPConnection.connect(
            Self.tuple, configuration: configuration, initialSequence: Self.local,
            timestampOffset: 0, now: .zero)
        poll()
    }

    /// The passive side: a SYN with these options was received.
    init(
        _ configuration: TCPConfiguration = TCPConfiguration(),
        answering options: TCPOptions, answeringSYN flags: TCPFlags = .syn
    ) {
        var syn = SegmentHeader(
            sourcePort: 80, destinationPort: 40_000, sequence: Self.peer, flags: flags,
            window: 60_000)
        syn.options = options
        tcp = TCPConnection.accept(
            Self.tuple, syn: syn, configuration: configuration, initialSequence: Self.local,
            timestampOffset: 0, now: .zero)
        poll()
    }

    /// The options of a peer that speaks SACK, with an MSS of 1000.
    static var synOptions: TCPOptions {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_000
        options.isSACKPermitted = true
        return options
    }

    /// An established connection with a round trip of `roundTrip` and no timestamps.
    static func established(
        _ configuration: TCPConfiguration = TCPConfiguration(), roundTrip: Int = 100,
        options: TCPOptions = synOptions
    ) -> Bench {
        var configuration = configuration
        configuration.offersTimestamps = options.timestamps != nil
        let bench = Bench(configuration)
        bench.advance(by: roundTrip)
        bench.peerOptions = options
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.peerOptions = TCPOptions()
        bench.outbox = []
        return bench
    }

    /// The peer's segment arrives now.
    func receive(
        _ flags: TCPFlags, _ sequence: Int, ack: Int = 0, _ length: Int = 0,
        sack: [Range<Int>] = [], ecn: ECNCodepoint = .notECT
    ) {
        var header = SegmentHeader(
            sourcePort: 80, destinationPort: 40_000, sequence: Self.peer + sequence,
            acknowledgment: flags.contains(.ack) ? Self.local + ack : SequenceNumber(0),
            flags: flags, window: peerWindow)
        header.options = peerOptions
        header.options.sack = SACKBlocks(
            sack.map {
                SACKBlock(left: Self.local + $0.lowerBound, right: Self.local + $0.upperBound)
            })
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: sequence + $0) }
        let reception = payload.withUnsafeBytes {
            tcp.receive(header, payload: $0, ecn: ecn, now: now)
        }
        lastReception = reception
        closeReason = reception.closed ?? closeReason
        poll()
    }

    /// The owner gives bytes.
    func send(_ length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        bytes.withUnsafeBytes { tcp.send($0) }
        poll()
    }

    func close() {
        tcp.close(now: now)
        poll()
    }

    /// Time passes; timers do what they must.
    func advance(by milliseconds: Int) {
        let end = now + .milliseconds(milliseconds)
        while let deadline = tcp.pollDeadline(), deadline <= end {
            now = max(now, deadline)
            if let reason = tcp.handleDeadline(now: now) { closeReason = reason }
            poll()
        }
        now = end
    }

    func poll() {
        while let segment = tcp.pollSegment(now: now, superSegment: superSegment) {
            let header = segment.header
            let sent = Sent(
                time: milliseconds, flags: header.flags.subtracting(.psh),
                sequence: Self.local.distance(to: header.sequence),
                acknowledgment: header.flags.contains(.ack)
                    ? Self.peer.distance(to: header.acknowledgment) : 0,
                length: segment.payload.count)
            outbox.append((sent, segment))
            #expect(outbox.count < 10_000, "the connection does not stop sending")
            if outbox.count >= 10_000 { return }
        }
        #expect(tcp.invariantViolations.isEmpty, "\(tcp.invariantViolations)")
    }

    /// The next segment that was sent is this one.
    @discardableResult
    func expect(
        _ flags: TCPFlags, _ sequence: Int, ack: Int = 0, _ length: Int = 0, at time: Int? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> OutgoingSegment? {
        guard !outbox.isEmpty else {
            Issue.record("nothing was sent", sourceLocation: sourceLocation)
            return nil
        }
        let (sent, segment) = outbox.removeFirst()
        let expected = Sent(
            time: time ?? sent.time, flags: flags, sequence: sequence, acknowledgment: ack,
            length: length)
        #expect(sent == expected, sourceLocation: sourceLocation)
        return segment
    }

    func expectNothing(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(outbox.map(\.sent) == [], sourceLocation: sourceLocation)
    }

    /// Nothing is sent within so many milliseconds.
    func expectNothing(for milliseconds: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        advance(by: milliseconds)
        expectNothing(sourceLocation: sourceLocation)
    }

    static func name(_ flags: TCPFlags) -> String {
        var name = ""
        for (flag, letter) in [
            (TCPFlags.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, "."),
        ] where flags.contains(flag) { name += letter }
        return name
    }
}
