import Glibc
import LinuxSystem
import NetworkPrimitives

/// A UDP socket in a namespace, connected to one peer. The kernel says when a datagram came in.
final class DatagramSocket {
    private let socket: OwnedDescriptor
    private let poll: EventPoll
    private let clockOffset = WallClock.offsetFromMonotonic()
    private var buffer = [UInt8](repeating: 0, count: 2048)
    private static let SIOCGSTAMPNS: UInt = 0x8907

    /// A datagram that arrived.
    struct Arrival {
        var at: Instant
        var number: Int
        var bytes: Int
    }

    init(
        in namespace: NetworkNamespace, _ address: IPAddress, peer: IPAddress, port: UInt16 = 4000
    ) throws {
        socket = try NamespaceThread.run(in: namespace) { () throws -> OwnedDescriptor in
            let socket = OwnedDescriptor(
                try checkedErrno(
                    Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket"))
            try Self.call(bind, socket.rawValue, address, port, "bind")
            try Self.call(connect, socket.rawValue, peer, port, "connect")
            return socket
        }
        poll = try EventPoll()
        try poll.add(socket.rawValue, token: 1)
        for option in [SO_RCVBUFFORCE, SO_SNDBUFFORCE] {
            var size: Int32 = 8 << 20
            try checkedErrno(
                setsockopt(socket.rawValue, SOL_SOCKET, option, &size, 4), "setsockopt")
        }
        // The first call switches time stamps on, and finds none.
        var none = timespec()
        _ = ioctl(socket.rawValue, Self.SIOCGSTAMPNS, &none)
    }

    /// Sends `number` in so many octets of UDP payload; when it had been handed over.
    @discardableResult
    func send(_ number: Int, bytes: Int) throws -> Instant {
        var payload = [UInt8](repeating: 0, count: max(bytes, 8))
        payload.withUnsafeMutableBytes { $0.storeBytes(of: number, as: Int.self) }
        try checkedErrno(
            Glibc.send(socket.rawValue, payload, payload.count, Int32(MSG_DONTWAIT)), "send")
        return MonotonicClock.now()
    }

    /// The next datagram, `nil` when none comes until `deadline`.
    func receive(until deadline: Instant) throws -> Arrival? {
        while true {
            let count = recv(socket.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count >= 8 {
                var stamp = timespec()
                try checkedErrno(ioctl(socket.rawValue, Self.SIOCGSTAMPNS, &stamp), "SIOCGSTAMPNS")
                let wall = Int64(stamp.tv_sec) * 1_000_000_000 + Int64(stamp.tv_nsec)
                return Arrival(
                    at: Instant(nanoseconds: wall - clockOffset),
                    number: buffer.withUnsafeBytes { $0.loadUnaligned(as: Int.self) },
                    bytes: count)
            }
            guard errno == EAGAIN || errno == ECONNREFUSED || errno == EINTR else {
                throw SystemError("recv", code: errno)
            }
            guard MonotonicClock.now() < deadline else { return nil }
            _ = try poll.wait(until: deadline)
        }
    }

    /// All that comes until nothing has come for `quiet`.
    func drain(quiet: Duration = .milliseconds(300)) throws -> [Arrival] {
        var arrivals: [Arrival] = []
        while let next = try receive(until: MonotonicClock.now() + quiet) { arrivals.append(next) }
        return arrivals
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ socket: Int32,
        _ address: IPAddress, _ port: UInt16, _ name: String
    ) throws {
        let family = UInt16(AF_INET)
        let head = [
            UInt8(family & 0xff), UInt8(family >> 8), UInt8(port >> 8), UInt8(port & 0xff),
        ]
        let bytes = head + address.bytes + [UInt8](repeating: 0, count: 8)
        let result = bytes.withUnsafeBytes {
            function(
                socket, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        try checkedErrno(result, name)
    }
}
