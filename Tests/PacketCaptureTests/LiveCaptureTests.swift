import Glibc
import LinuxSystem
import Netlink
import NetworkPrimitives
import PacketCapture
import Testing
import WireFormat

@Suite(
    "Live captures", .serialized,
    .enabled(
        if: CaptureTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct LiveCaptureTests {
    @Test("all packets up to the stop are in the file, in order, on both sides")
    func complete() throws {
        let bed = try CaptureTestbed()
        let start = WallClock.nanoseconds()
        let left = try LiveCapture("left", in: bed.a, to: bed.scratch.file("left"))
        let right = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
        for number in 0..<2000 { try bed.send(number) }
        let leftStatistics = try left.stop()
        let rightStatistics = try right.stop()
        let end = WallClock.nanoseconds()
        for (name, statistics) in [("left", leftStatistics), ("right", rightStatistics)] {
            let packets = try bed.packets(name)
            #expect(packets.compactMap(\.number) == Array(0..<2000))
            #expect(statistics.written == packets.count)
            #expect(statistics.dropped == 0)
            let times = packets.map(\.packet.time)
            #expect(times == times.sorted())
            #expect(times.allSatisfy { $0 >= start && $0 <= end })
            // Not all are whole microseconds.
            #expect(times.contains { $0 % 1000 != 0 })
        }
        #expect(bed.scratch.names == ["left", "right"])
        #expect(try left.stop() == leftStatistics)
        if (try? Executable.find("tcpdump")) != nil {
            let outcome = try ChildProcess.run(
                "tcpdump", ["-n", "-r", bed.scratch.file("right"), "udp"])
            #expect(outcome.output.split(separator: "\n").count == 2000)
        }
    }

    @Test("the first packet behind the initializer and the last before the stop are there")
    func edges() throws {
        let bed = try CaptureTestbed()
        for round in 0..<30 {
            let capture = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
            try bed.send(round)
            try capture.stop()
            #expect(try bed.packets("right").compactMap(\.number) == [round])
        }
    }

    @Test("a burst of 28 MB fits into the ring, whatever the thread gets to do")
    func burst() throws {
        let bed = try CaptureTestbed()
        let capture = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
        for number in 0..<20_000 { try bed.send(number, size: 1400) }
        let statistics = try capture.stop()
        #expect(statistics.dropped == 0)
        #expect(try bed.packets("right").compactMap(\.number) == Array(0..<20_000))
    }

    @Test("what a small ring cannot take is counted")
    func drops() throws {
        let bed = try CaptureTestbed()
        let capture = try LiveCapture(
            "right", in: bed.b, to: bed.scratch.file("right"),
            LiveCapture.Configuration(snapshotLength: 60, ringSize: 1 << 20))
        for number in 0..<20_000 { try bed.send(number, size: 1400) }
        let statistics = try capture.stop()
        let packets = try bed.packets("right")
        #expect(packets.count == statistics.written)
        // A neighbour solicitation or two may have passed as well.
        let others = packets.count { $0.number == nil }
        #expect(statistics.written + statistics.dropped - others >= 20_000)
        #expect(packets.allSatisfy { $0.packet.bytes.count <= 60 })
        #expect(packets.contains { $0.packet.wireLength == 1400 + 42 })
    }

    @Test("a capture goes on when its interface went down and came up again")
    func downAndUp() throws {
        let bed = try CaptureTestbed()
        let capture = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
        try bed.send(0)
        for round in 1...3 {
            try bed.right.setDown("right")
            try bed.right.setUp("right")
            #expect(try bed.sendUntilReceived(1000 * round))
        }
        let statistics = try capture.stop()
        let numbers = try bed.packets("right").compactMap(\.number)
        #expect(numbers.first == 0)
        for round in 1...3 { #expect(numbers.contains { $0 / 1000 == round }) }
        #expect(statistics.dropped == 0)
    }

    @Test("an interface that goes away is an error; what it showed before is in the file")
    func vanishes() throws {
        let bed = try CaptureTestbed()
        let capture = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
        for number in 0..<10 { try bed.send(number) }
        try bed.right.deleteLink("right")
        let error = #expect(throws: CaptureError.self) { try capture.stop() }
        #expect(error?.kind == .interfaceVanished)
        #expect(error?.subject == "right")
        #expect(try bed.packets("right").compactMap(\.number) == Array(0..<10))
    }

    @Test("what keeps a capture from starting is said")
    func refused() throws {
        let bed = try CaptureTestbed()
        func kind(_ interface: String, _ path: String) -> CaptureError.Kind? {
            do {
                _ = try LiveCapture(interface, in: bed.b, to: path)
                return nil
            } catch {
                return error.kind
            }
        }
        #expect(kind("nothing", bed.scratch.file("a")) == .noInterface)
        #expect(kind("right", bed.scratch.file("no/where")) == .unwritable)
        try bed.right.setDown("right")
        #expect(kind("right", bed.scratch.file("a")) == .interfaceDown)
        #expect(bed.scratch.names.isEmpty)
    }

    @Test("an abandoned capture ends and leaves no file")
    func abandoned() throws {
        let bed = try CaptureTestbed()
        do {
            let capture = try LiveCapture("right", in: bed.b, to: bed.scratch.file("right"))
            try bed.send(1)
            #expect(capture.interface == "right")
        }
        #expect(bed.scratch.names.isEmpty)
    }
}

/// `left` (10.9.0.1) and `right` (10.9.0.2) in two namespaces, and numbered datagrams between them.
final class CaptureTestbed {
    let a: NetworkNamespace
    let b: NetworkNamespace
    let right: RouteController
    let scratch: Scratch
    private let sender: OwnedDescriptor
    private let receiver: OwnedDescriptor

    static let isPossible = Capabilities.effective().canBuildNetworks
    private static let port: UInt16 = 9000

    init() throws {
        scratch = try Scratch()
        let suffix = RandomBytes.suffix()
        let names = ["a", "b"].map { ProcessIdentity.ownedName("pc-\($0)-\(suffix)") }
        do {
            a = try NetworkNamespace.create(named: names[0])
            b = try NetworkNamespace.create(named: names[1])
            let left = try RouteController(in: a)
            right = try RouteController(in: b)
            try left.createVeth("left", peer: "right", peerNamespace: b)
            for (controller, name, last) in [(left, "left", 1), (right, "right", 2)] {
                try controller.addAddress(
                    .v4(0x0a09_0000 + UInt32(last)), prefixLength: 24, to: name)
                try controller.setUp(name)
            }
            sender = try Self.socket(in: a)
            receiver = try Self.socket(in: b)
            try Self.call(bind, receiver, "bind")
            try Self.call(connect, sender, "connect")
            // Carrier and neighbour are settled once a datagram has come through.
            guard try sendUntilReceived(0) else { throw SystemError("link", code: ETIMEDOUT) }
        } catch {
            for name in names { try? NetworkNamespace.delete(named: name) }
            throw error
        }
    }

    deinit {
        try? NetworkNamespace.delete(named: a.name)
        try? NetworkNamespace.delete(named: b.name)
    }

    private static func socket(in namespace: NetworkNamespace) throws -> OwnedDescriptor {
        try NamespaceThread.run(in: namespace) {
            OwnedDescriptor(
                try checkedErrno(Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket"))
        }
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32,
        _ socket: borrowing OwnedDescriptor, _ name: String
    ) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x0a09_0002).bigEndian
        let result = withUnsafeBytes(of: &address) {
            function(
                socket.rawValue, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        try checkedErrno(result, name)
    }

    /// Sends a datagram that carries `number`.
    func send(_ number: Int, size: Int = 8) throws {
        var payload = [UInt8](repeating: 0, count: size)
        withUnsafeBytes(of: UInt32(number).bigEndian) { payload.replaceSubrange(0..<4, with: $0) }
        try checkedErrno(Glibc.send(sender.rawValue, payload, size, 0), "send")
    }

    /// Sends datagrams, numbered from `first` on, until one comes through; gives up after 100.
    func sendUntilReceived(_ first: Int) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 2048)
        while recv(receiver.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
        for number in first..<(first + 100) {
            try send(number)
            var ready = pollfd(fd: receiver.rawValue, events: Int16(POLLIN), revents: 0)
            if poll(&ready, 1, 100) == 1 { return true }
        }
        return false
    }

    /// The packets of a file; `number` where it is a datagram of `send`.
    func packets(_ name: String) throws -> [(packet: CapturedPacket, number: Int?)] {
        let reader = try CaptureReader(scratch.file(name))
        let packets = try reader.readAll()
        #expect(reader.end == .complete)
        return packets.map { packet in
            guard let ip = packet.ipPacket, ip.count >= 32, ip[9] == 17 else {
                return (packet, nil)
            }
            return (packet, ip[28..<32].reduce(0) { $0 << 8 | Int($1) })
        }
    }
}
