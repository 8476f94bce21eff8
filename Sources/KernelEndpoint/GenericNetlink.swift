internal import Glibc
internal import LinuxSystem

/// One attribute of a netlink message: length, type, octets, padding to four.
struct NetlinkAttribute {
    var type: UInt16
    var bytes: [UInt8]

    init(_ type: UInt16, _ bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }

    /// A number in the machine's order, as netlink has it.
    init<Number: FixedWidthInteger>(_ type: UInt16, number: Number) {
        self.init(type, withUnsafeBytes(of: number) { Array($0) })
    }

    init(_ type: UInt16, nested: [NetlinkAttribute]) {
        self.init(type | Self.isNested, nested.flatMap(\.encoded))
    }

    private static let isNested: UInt16 = 0x8000
    private static let typeMask: UInt16 = 0x3fff
    private static let headerLength = 4

    var encoded: [UInt8] {
        let length = UInt16(Self.headerLength + bytes.count)
        let padding = (4 - bytes.count % 4) % 4
        return withUnsafeBytes(of: length) { Array($0) } + withUnsafeBytes(of: type) { Array($0) }
            + bytes + [UInt8](repeating: 0, count: padding)
    }

    /// The attributes in these octets; what is cut off is left out.
    static func parse(_ bytes: some Collection<UInt8>) -> [NetlinkAttribute] {
        let bytes = Array(bytes)
        var result: [NetlinkAttribute] = []
        var position = 0
        while position + headerLength <= bytes.count {
            let length = Int(bytes[position]) | Int(bytes[position + 1]) << 8
            let type = UInt16(bytes[position + 2]) | UInt16(bytes[position + 3]) << 8
            guard length >= headerLength, position + length <= bytes.count else { break }
            let content = bytes[(position + headerLength)..<(position + length)]
            result.append(NetlinkAttribute(type & typeMask, Array(content)))
            position += (length + 3) / 4 * 4
        }
        return result
    }

    /// The octets as a number in the machine's order; `nil` if there are too few.
    func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
        guard bytes.count >= MemoryLayout<Number>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: type) }
    }
}

/// A family of generic netlink, spoken to by one request at a time.
final class GenericNetlink {
    private let socket: OwnedDescriptor
    private let family: UInt16
    private let version: UInt8
    private let name: String
    private var sequence: UInt32 = 0

    private static let netlinkGeneric: Int32 = 16
    private static let controlFamily: UInt16 = 0x10
    private static let getFamily: UInt8 = 3
    private static let familyIdentifier: UInt16 = 1
    private static let familyName: UInt16 = 2
    private static let request: UInt16 = 1
    private static let acknowledge: UInt16 = 4
    private static let dump: UInt16 = 0x300
    private static let errorMessage: UInt16 = 2
    private static let doneMessage: UInt16 = 3
    /// Netlink header 16, generic header 4.
    private static let headers = 20

    /// Finds the family in the calling thread's namespace.
    init(family name: String, version: UInt8) throws(SystemError) {
        self.name = name
        self.version = version
        socket = OwnedDescriptor(
            try checkedErrno(
                Glibc.socket(
                    AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue),
                    Self.netlinkGeneric), "generic netlink"))
        let wanted = NetlinkAttribute(Self.familyName, Array(name.utf8) + [0])
        let replies = try Self.exchange(
            socket.rawValue, Self.controlFamily, Self.getFamily, 1, [wanted], isDump: false, 0,
            "netlink family \(name)")
        let number = replies.flatMap { $0 }.first { $0.type == Self.familyIdentifier }
        guard let number = number?.number(UInt16.self) else {
            throw SystemError("netlink family \(name)", code: ENOENT)
        }
        family = number
    }

    /// Sends a request and returns the attributes of each reply.
    func send(
        _ command: UInt8, _ attributes: [NetlinkAttribute] = [], isDump: Bool = false,
        _ what: String
    ) throws(SystemError) -> [[NetlinkAttribute]] {
        sequence += 1
        return try Self.exchange(
            socket.rawValue, family, command, version, attributes, isDump: isDump, sequence, what)
    }

    private static func exchange(
        _ socket: Int32, _ family: UInt16, _ command: UInt8, _ version: UInt8,
        _ attributes: [NetlinkAttribute], isDump: Bool, _ sequence: UInt32, _ what: String
    ) throws(SystemError) -> [[NetlinkAttribute]] {
        let body = attributes.flatMap(\.encoded)
        var message: [UInt8] = []
        func add<Number: FixedWidthInteger>(_ number: Number) {
            message += withUnsafeBytes(of: number) { Array($0) }
        }
        add(UInt32(headers + body.count))
        add(family)
        add(request | (isDump ? dump : acknowledge))
        add(sequence)
        add(0 as UInt32)
        message += [command, version, 0, 0] + body
        try checkedErrno(Glibc.send(socket, message, message.count, 0), what)
        return try replies(socket, sequence, what)
    }

    /// Reads until the acknowledgement, or the end of the dump.
    private static func replies(
        _ socket: Int32, _ sequence: UInt32, _ what: String
    ) throws(SystemError) -> [[NetlinkAttribute]] {
        var result: [[NetlinkAttribute]] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            try checkedErrno(count, what)
            var position = 0
            while position + 16 <= count {
                func word<Number: FixedWidthInteger>(_ offset: Int, _ type: Number.Type) -> Number {
                    buffer.withUnsafeBytes {
                        $0.loadUnaligned(fromByteOffset: position + offset, as: type)
                    }
                }
                let length = Int(word(0, UInt32.self))
                guard length >= 16, position + length <= count else { break }
                if word(8, UInt32.self) == sequence {
                    switch word(4, UInt16.self) {
                    case errorMessage where length >= headers:
                        let code = word(16, Int32.self)
                        if code != 0 { throw SystemError(what, code: -code) }
                        return result
                    case doneMessage: return result
                    default:
                        if length >= headers {
                            let body = buffer[(position + headers)..<(position + length)]
                            result.append(NetlinkAttribute.parse(body))
                        }
                    }
                }
                position += (length + 3) / 4 * 4
            }
        }
    }
}
