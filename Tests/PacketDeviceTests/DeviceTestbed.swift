import Glibc
import LinuxSystem
import Netlink
import NetworkPrimitives
import PacketDevice

/// Two namespaces joined by a veth pair with addresses 10.9.0.1 (`left`) and 10.9.0.2 (`right`), and
/// fd00::1 and fd00::2. Gone when it is released.
final class DeviceTestbed {
    let a: NetworkNamespace
    let b: NetworkNamespace
    let left: RouteController
    let right: RouteController

    static let isPossible = Capabilities.effective().canBuildNetworks

    init() throws {
        let suffix = RandomBytes.suffix()
        a = try NetworkNamespace.create(named: ProcessIdentity.ownedName("pd-a-\(suffix)"))
        do {
            b = try NetworkNamespace.create(named: ProcessIdentity.ownedName("pd-b-\(suffix)"))
        } catch {
            try? NetworkNamespace.delete(named: a.name)
            throw error
        }
        left = try RouteController(in: a)
        right = try RouteController(in: b)
        try left.createVeth("left", peer: "right", peerNamespace: b)
        for (controller, name, last) in [(left, "left", 1), (right, "right", 2)] {
            try controller.addAddress(.v4(0x0a09_0000 + UInt32(last)), prefixLength: 24, to: name)
            try controller.addAddress(.v6(0xfd00 << 48, UInt64(last)), prefixLength: 64, to: name)
            try controller.setUp(name)
        }
    }

    deinit {
        try? NetworkNamespace.delete(named: a.name)
        try? NetworkNamespace.delete(named: b.name)
    }

    /// `errno` of a kernel TCP connection from `namespace`; 0 when it is established. `timeout` bounds
    /// it: then EINPROGRESS.
    static func connect(
        from namespace: NetworkNamespace, to address: IPAddress, port: UInt16,
        timeout: Duration = .milliseconds(300)
    ) throws -> Int32 {
        try NamespaceThread.run(in: namespace) {
            let family = address.isV6 ? AF_INET6 : AF_INET
            let socket = OwnedDescriptor(
                try checkedErrno(
                    Glibc.socket(family, Int32(SOCK_STREAM.rawValue), 0), "socket"))
            var limit = timeval(
                tv_sec: 0, tv_usec: Int(timeout.wholeNanoseconds / 1000))
            setsockopt(
                socket.rawValue, SOL_SOCKET, SO_SNDTIMEO, &limit,
                socklen_t(MemoryLayout<timeval>.size))
            let bytes = socketAddress(address, port)
            let result = bytes.withUnsafeBytes { raw in
                Glibc.connect(
                    socket.rawValue, raw.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(raw.count))
            }
            return result == 0 ? 0 : errno
        }
    }

    /// sockaddr_in or sockaddr_in6.
    static func socketAddress(_ address: IPAddress, _ port: UInt16) -> [UInt8] {
        let family = UInt16(address.isV6 ? AF_INET6 : AF_INET)
        let head = [
            UInt8(family & 0xff), UInt8(family >> 8), UInt8(port >> 8), UInt8(port & 0xff),
        ]
        return address.isV6
            ? head + [0, 0, 0, 0] + address.bytes + [0, 0, 0, 0]
            : head + address.bytes + [UInt8](repeating: 0, count: 8)
    }

    /// All frames that arrive until `done` says so; at most three seconds.
    static func collect(
        _ device: PacketSocketDevice, until done: ([Frame]) -> Bool
    ) throws -> [Frame] {
        let poll = try EventPoll()
        try poll.add(device.descriptor, token: 1)
        let deadline = MonotonicClock.now() + .seconds(3)
        var frames: [Frame] = []
        while !done(frames), MonotonicClock.now() < deadline {
            if try poll.wait(until: deadline).isEmpty { continue }
            for index in 0..<(try device.receive()) {
                let frame = device.frame(at: index)
                frames.append(
                    Frame(
                        bytes: Array(frame.bytes), checksumNotReady: frame.checksumNotReady,
                        kind: frame.kind))
            }
        }
        return frames
    }
}

/// A copy of a received frame.
struct Frame {
    var bytes: [UInt8]
    var checksumNotReady: Bool
    var kind: ReceivedFrame.Kind

    private var isV6: Bool { bytes[12] == 0x86 }
    /// Where the TCP header starts, `nil` for anything else.
    private var tcp: Int? {
        guard bytes.count >= 54 else { return nil }
        if bytes[12] == 8, bytes[13] == 0, bytes[23] == 6 { return 34 }
        return isV6 && bytes.count >= 74 && bytes[20] == 6 ? 54 : nil
    }
    var destinationPort: UInt16? {
        tcp.map { UInt16(bytes[$0 + 2]) << 8 | UInt16(bytes[$0 + 3]) }
    }
    var isSYN: Bool { tcp.map { bytes[$0 + 13] & 0x12 == 0x02 } ?? false }
    var isRST: Bool { tcp.map { bytes[$0 + 13] & 0x04 != 0 } ?? false }
}
