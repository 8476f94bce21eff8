import NetworkPrimitives
import TraceAnalysis
import WireFormat

/// Packets of a client with two paths and a server, as three capture points see them. Times are
/// milliseconds.
struct TraceScript {
    static let wifi = Endpoint(.v4(0x0a00_0102), 40_000)
    static let lte = Endpoint(.v4(0x0a00_0202), 40_001)
    static let server = Endpoint(.v4(0x0a00_0901), 5_000)
    static let points = [
        TracePoint("client-wifi0", place: .atClient), TracePoint("client-lte0", place: .atClient),
        TracePoint("server-eth0", place: .atServer),
    ]

    // mptcp-wire, 16.1.
    static let clientKey = Key(0x0102_0304_0506_0708)
    static let serverKey = Key(0x1112_1314_1516_1718)
    static let clientNonce: UInt32 = 0xaabb_ccdd
    static let serverNonce: UInt32 = 0x1122_3344
    static let clientIDSN: UInt64 = 0xf5a1_01d3_d29d_6f72
    static let serverIDSN: UInt64 = 0x535b_eea3_8e08_7c8e
    static let serverToken = Token(0xccad_45ac)
    static let clientHMAC = HMAC160(
        high: 0xc298_6b9f_fe33_dedc, middle: 0x1095_5fc5_c9c3_1544, low: 0xe3ac_05c0)
    static let serverHMAC: UInt64 = 0x72be_a43c_69c0_c206

    var packets: [TracePacket] = []
    private var identification: UInt16 = 0

    /// One end's sequence numbers on each path start here.
    static func initialSequence(isClient: Bool, path: Int) -> UInt32 {
        (isClient ? 1_000 : 500_000) + UInt32(path) * 100_000
    }

    /// A segment that leaves at `sent` and arrives at `arrived`; `nil` where it is not seen.
    /// `position` counts octets behind the SYN from 1.
    mutating func segment(
        path: Int = 0, fromClient: Bool, sent: Double?, arrived: Double?, flags: TCPFlags = .ack,
        position: Int = 1, acknowledges: Int = 1, payload: Int = 0, dss: DSS? = nil,
        options: [MPTCPOption] = [], sequence: UInt32? = nil
    ) {
        let client = path == 0 ? Self.wifi : Self.lte
        let (source, destination) =
            fromClient ? (client, Self.server) : (Self.server, client)
        var header = SegmentHeader(
            sourcePort: source.port, destinationPort: destination.port,
            sequence: SequenceNumber(
                sequence ?? Self.initialSequence(isClient: fromClient, path: path)
                    &+ UInt32(truncatingIfNeeded: position)),
            acknowledgment: SequenceNumber(
                Self.initialSequence(isClient: !fromClient, path: path)
                    &+ UInt32(truncatingIfNeeded: acknowledges)), flags: flags, window: 1_000)
        header.options.dss = dss
        header.options.mptcp = options
        if flags.contains(.syn) {
            header.options.maximumSegmentSize = 1_460
            header.options.windowScale = 7
        }
        let packet = Segment(
            source: source.address, destination: destination.address, header: header,
            payload: [UInt8](repeating: 0x5a, count: payload))
        var bytes = packet.encodedPacket()
        number(&bytes)
        for (time, point) in [(sent, fromClient ? path : 2), (arrived, fromClient ? 2 : path)] {
            guard let time else { continue }
            packets.append(
                TracePacket(time: Int64((time * 1e6).rounded()), point: point, bytes: bytes))
        }
    }

    /// Gives the packet an IP identification of its own, as Linux does.
    private mutating func number(_ bytes: inout [UInt8]) {
        identification += 1
        bytes[4] = UInt8(identification >> 8)
        bytes[5] = UInt8(identification & 0xff)
        bytes[10] = 0
        bytes[11] = 0
        var sum = InternetChecksum()
        bytes.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<20])) }
        bytes[10] = UInt8(sum.checksum >> 8)
        bytes[11] = UInt8(sum.checksum & 0xff)
    }

    // MARK: Handshakes

    /// The first subflow: SYN at `start`, one-way delay `delay`.
    mutating func open(path: Int = 0, at start: Double, delay: Double = 10) {
        let syn = MPTCPOption.capable(MPCapable())
        let synACK = MPTCPOption.capable(MPCapable(senderKey: Self.serverKey))
        let ack = MPTCPOption.capable(
            MPCapable(senderKey: Self.clientKey, receiverKey: Self.serverKey))
        segment(
            path: path, fromClient: true, sent: start, arrived: start + delay, flags: .syn,
            position: 0, options: [syn])
        segment(
            path: path, fromClient: false, sent: start + delay, arrived: start + 2 * delay,
            flags: [.syn, .ack], position: 0, options: [synACK])
        segment(
            path: path, fromClient: true, sent: start + 2 * delay, arrived: start + 3 * delay,
            options: [ack])
    }

    /// A join on path 1: SYN at `start`, one-way delay `delay`; the listener takes what the SYN offers.
    mutating func join(
        at start: Double, delay: Double = 30, isBackup: Bool = false, offer: FastJoinOption? = nil
    ) {
        let syn = MPTCPOption.join(
            .syn(
                isBackup: isBackup, addressID: AddressID(2), token: Self.serverToken,
                nonce: Self.clientNonce))
        let synACK = MPTCPOption.join(
            .synACK(
                isBackup: false, addressID: AddressID(0), hmac: Self.serverHMAC,
                nonce: Self.serverNonce))
        segment(
            path: 1, fromClient: true, sent: start, arrived: start + delay, flags: .syn,
            position: 0, options: [syn] + (offer.map { [.fastJoin($0)] } ?? []))
        segment(
            path: 1, fromClient: false, sent: start + delay, arrived: start + 2 * delay,
            flags: [.syn, .ack], position: 0,
            dss: offer == nil ? nil : DSS(dataACK: .full(Self.clientIDSN &+ 1)), options: [synACK])
        segment(
            path: 1, fromClient: true, sent: start + 2 * delay, arrived: start + 3 * delay,
            options: [.join(.ack(hmac: Self.clientHMAC))])
        segment(
            path: 1, fromClient: false, sent: start + 3 * delay, arrived: start + 4 * delay,
            dss: DSS(dataACK: .full(Self.clientIDSN &+ 1)))
    }

    // MARK: Data

    /// Data of the stream from `offset` on, at `position` of the subflow.
    mutating func data(
        path: Int = 0, fromClient: Bool = true, sent: Double?, arrived: Double?, position: Int,
        offset: Int, length: Int, isDataFIN: Bool = false, isShort: Bool = false
    ) {
        let initial = fromClient ? Self.clientIDSN : Self.serverIDSN
        let number = initial &+ 1 &+ UInt64(offset)
        let mapping = DSSMapping(
            dataSequenceNumber: isShort
                ? .low32(UInt32(truncatingIfNeeded: number)) : .full(number),
            subflowSequenceNumber: UInt32(position), length: UInt16(length + (isDataFIN ? 1 : 0)))
        segment(
            path: path, fromClient: fromClient, sent: sent, arrived: arrived,
            flags: [.ack, .psh], position: position, payload: length,
            dss: DSS(mapping: mapping, isDataFIN: isDataFIN))
    }

    /// An acknowledgment of the stream up to `offset` and of the subflow up to `position`.
    mutating func acknowledge(
        path: Int = 0, fromClient: Bool = false, sent: Double?, arrived: Double?, position: Int,
        offset: Int, isShort: Bool = false
    ) {
        let initial = fromClient ? Self.serverIDSN : Self.clientIDSN
        let number = initial &+ 1 &+ UInt64(offset)
        segment(
            path: path, fromClient: fromClient, sent: sent, arrived: arrived,
            acknowledges: position,
            dss: DSS(
                dataACK: isShort ? .low32(UInt32(truncatingIfNeeded: number)) : .full(number)))
    }

    // MARK: Reports

    func report(points: [TracePoint] = TraceScript.points, only: Set<Int>? = nil) -> TraceReport {
        var analyzer = TraceAnalyzer(points: points)
        for packet in packets where only?.contains(packet.point) ?? true { analyzer.add(packet) }
        return analyzer.finish()
    }
}

func milliseconds(_ nanoseconds: Int64?) -> Double? { nanoseconds.map { Double($0) / 1e6 } }
