internal import NetworkPrimitives

/// What a host says that it can do beyond RFC 8684 (fast-join, 5.1).
public struct FastJoinFeatures: OptionSet, Hashable, Sendable {
    /// The octet on the wire.
    public var rawValue: UInt8

    /// The features of this octet.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// It takes data in SYN+MP_JOIN (FJ-DATA).
    public static let data = FastJoinFeatures(rawValue: 0x01)
    /// It resumes sending at the word of SYN+MP_JOIN (FJ-RESUME).
    public static let resume = FastJoinFeatures(rawValue: 0x02)
    /// It takes stateless joins.
    public static let statelessACK = FastJoinFeatures(rawValue: 0x04)
    /// It keeps data that overtakes the third packet of a join.
    public static let earlyData = FastJoinFeatures(rawValue: 0x08)
    /// It sends and understands the idle bit and the exchange of timeouts (fast-join, 2.4).
    public static let idleSignal = FastJoinFeatures(rawValue: 0x10)
    /// It has received the other side's features.
    public static let received = FastJoinFeatures(rawValue: 0x80)
}

/// The experimental MPTCP options of this project: subtype 0xF with the identifier "FJ" (fast-join, 5
/// and 2.4).
public enum FastJoinOption: Hashable, Sendable {
    /// FJ-DATA: the payload of this SYN starts at the data sequence number with these low 32 bits.
    case data(isFollowedByFIN: Bool, dataSequenceNumber: UInt32, mac: UInt64)
    /// FJ-RESUME: everything before the data sequence number with these low 32 bits has arrived.
    case resume(dataACK: UInt32, mac: UInt64)
    /// CAPS: what the sender can do, and the largest payload of a SYN that it takes, in units of 64
    /// octets.
    case capabilities(FastJoinFeatures, maximumPayloadUnits: UInt8)
    /// RTO-REQUEST: what is your retransmission timeout on this subflow?
    case timeoutRequest
    /// RTO: the sender's retransmission timeout on this subflow.
    case timeout(microseconds: UInt32)

    static let subtype: UInt8 = 0xf
    private static let identifier: UInt16 = 0x464a

    var encodedLength: Int {
        switch self {
        case .data, .resume: 18
        case .capabilities: 8
        case .timeoutRequest: 6
        case .timeout: 10
        }
    }

    /// The flags beside the subtype: FJ-DATA followed by DATA_FIN has the last one set.
    var nibble: UInt8 {
        if case .data(isFollowedByFIN: true, _, _) = self { 1 } else { 0 }
    }

    /// Reads what stands behind the octet of subtype and flags; `nil` for somebody else's option.
    init?(nibble: UInt8, parsing body: ByteReader) {
        var body = body
        guard let operation = try? body.readUInt8(), let identifier = try? body.readUInt16(),
            identifier == Self.identifier
        else { return nil }
        switch (operation, body.remaining) {
        case (1, 12):
            guard let number = try? body.readUInt32(), let mac = try? body.readUInt64()
            else { return nil }
            self = .data(isFollowedByFIN: nibble & 1 != 0, dataSequenceNumber: number, mac: mac)
        case (2, 12):
            guard let number = try? body.readUInt32(), let mac = try? body.readUInt64()
            else { return nil }
            self = .resume(dataACK: number, mac: mac)
        case (3, 2):
            guard let features = try? body.readUInt8(), let units = try? body.readUInt8()
            else { return nil }
            self = .capabilities(
                FastJoinFeatures(rawValue: features), maximumPayloadUnits: units)
        case (4, 0): self = .timeoutRequest
        case (5, 4):
            guard let microseconds = try? body.readUInt32() else { return nil }
            self = .timeout(microseconds: microseconds)
        default: return nil
        }
    }

    /// Writes what stands behind the octet of subtype and flags.
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .data(_, let number, let mac):
            Self.head(&writer, operation: 1)
            writer.write(number)
            writer.write(mac)
        case .resume(let number, let mac):
            Self.head(&writer, operation: 2)
            writer.write(number)
            writer.write(mac)
        case .capabilities(let features, let units):
            Self.head(&writer, operation: 3)
            writer.write(features.rawValue)
            writer.write(units)
        case .timeoutRequest: Self.head(&writer, operation: 4)
        case .timeout(let microseconds):
            Self.head(&writer, operation: 5)
            writer.write(microseconds)
        }
    }

    private static func head(_ writer: inout ByteWriter, operation: UInt8) {
        writer.write(operation)
        writer.write(identifier)
    }
}
