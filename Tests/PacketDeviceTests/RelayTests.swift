import Glibc
import LinuxSystem
import Netlink
import NetworkPrimitives
import PacketDevice
import Testing

/// Kernel TCP through a relay made of two packet devices: what a link emulator does.
@Suite(
    "Relaying", .serialized,
    .enabled(
        if: DeviceTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct RelayTests {
    /// a (10.9.0.1) - relay - b (10.9.0.2).
    private final class RelayBed {
        let a: NetworkNamespace
        let b: NetworkNamespace
        let relay: NetworkNamespace
        private let names: [String]

        init() throws {
            let suffix = RandomBytes.suffix()
            names = ["a", "b", "r"].map { ProcessIdentity.ownedName("rl-\($0)-\(suffix)") }
            do {
                a = try NetworkNamespace.create(named: names[0])
                b = try NetworkNamespace.create(named: names[1])
                relay = try NetworkNamespace.create(named: names[2])
                let middle = try RouteController(in: relay)
                for (namespace, name, last) in [(a, "e0", 1), (b, "e1", 2)] {
                    try middle.createVeth(name, peer: "eth0", peerNamespace: namespace)
                    let end = try RouteController(in: namespace)
                    try end.addAddress(
                        .v4(0x0a09_0000 + UInt32(last)), prefixLength: 24, to: "eth0")
                    try end.setUp("eth0")
                    try middle.setUp(name)
                }
            } catch {
                for name in names { try? NetworkNamespace.delete(named: name) }
                throw error
            }
        }

        deinit { for name in names { try? NetworkNamespace.delete(named: name) } }
    }

    private static func forward(
        _ from: PacketSocketDevice, _ to: PacketSocketDevice, superPackets: inout Int
    ) throws {
        for index in 0..<(try from.receive()) {
            let frame = from.frame(at: index)
            if frame.header.isSuperPacket { superPackets += 1 }
            to.send(frame.bytes, offload: .asReceived(frame.header))
        }
        _ = try to.flush()
    }

    @Test("a megabyte of kernel TCP arrives whole, super-packets and unfinished checksums included")
    func transfer() throws {
        let bed = try RelayBed()
        let configuration = PacketSocketDevice.Configuration(
            filter: .all, slotSize: PacketSocketDevice.Configuration.superPacketSlot,
            batchSize: 32)
        let left = try PacketSocketDevice("e0", in: bed.relay, configuration)
        let right = try PacketSocketDevice("e1", in: bed.relay, configuration)
        let listener = try NamespaceThread.run(in: bed.b) { () throws -> OwnedDescriptor in
            let socket = OwnedDescriptor(
                try checkedErrno(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket"))
            try Self.call(bind, socket.rawValue, .v4(0x0a09_0002), 5001, "bind")
            try checkedErrno(listen(socket.rawValue, 1), "listen")
            return socket
        }
        let data = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        // The kernel is the sender: a program in `a` that writes the file to the socket.
        let file = "/tmp/mptcpctl-relay-\(RandomBytes.suffix())"
        defer { unlink(file) }
        try OwnedDescriptor(
            checkedErrno(open(file, O_WRONLY | O_CREAT, 0o600), "open \(file)")
        ).write(data)
        let sender = try ChildProcess(
            "bash", ["-c", "cat \(file) > /dev/tcp/10.9.0.2/5001"], in: bed.a)
        defer { sender.terminate() }

        let poll = try EventPoll()
        for descriptor in [left.descriptor, right.descriptor, listener.rawValue] {
            try poll.add(descriptor, token: UInt64(descriptor))
        }
        var accepted: Int32 = -1
        defer { close(accepted) }
        var got: [UInt8] = []
        var superPackets = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let deadline = MonotonicClock.now() + .seconds(10)
        while got.count < data.count, MonotonicClock.now() < deadline {
            _ = try poll.wait(until: deadline)
            try Self.forward(left, right, superPackets: &superPackets)
            try Self.forward(right, left, superPackets: &superPackets)
            if accepted < 0 {
                accepted = accept4(listener.rawValue)
                if accepted >= 0 { try poll.add(accepted, token: 99) }
            } else {
                let count = recv(accepted, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 { got += buffer[..<count] }
            }
        }
        #expect(got == data)
        // Otherwise the test would say nothing about them.
        #expect(superPackets > 0)
        #expect(left.statistics.framesRejected == 0 && right.statistics.framesRejected == 0)
    }

    private func accept4(_ listener: Int32) -> Int32 {
        var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&ready, 1, 0) == 1 ? accept(listener, nil, nil) : -1
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ socket: Int32,
        _ address: IPAddress, _ port: UInt16, _ name: String
    ) throws {
        let result = DeviceTestbed.socketAddress(address, port).withUnsafeBytes {
            function(
                socket, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        try checkedErrno(result, name)
    }
}
