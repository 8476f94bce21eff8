import Glibc
import LinuxSystem
import NetworkPrimitives
import Testbed
import Topology

/// The program under test, and what tests need of the machine.
enum TestPrograms {
    static let isPossible = Capabilities.effective().canBuildNetworks
    static let requirement = "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"

    /// `mptcpctl`, which is built beside the test bundle.
    static let mptcpctl: String = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") }
        let own = (try? Executable.own()) ?? ""
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        for place in [bundle ?? own, own, "/\(root)/.build/debug/x"] {
            let directory = place.split(separator: "/").dropLast().joined(separator: "/")
            let path = "/\(directory)/mptcpctl"
            if access(path, X_OK) == 0 { return path }
        }
        return "mptcpctl"
    }()

    static func topology(_ name: String) throws -> Topology {
        try TestbedLibrary.load(name)
    }

    /// A testbed whose names nobody else has.
    static func testbed(
        _ topology: Topology, emulation: EmulationKind = .relay
    ) throws -> TestbedController {
        // A relay that died must not end the tests.
        signal(SIGPIPE, SIG_IGN)
        return try TestbedController.build(
            topology, emulation: emulation, seed: 1, program: mptcpctl)
    }

    /// Processes that live in a namespace.
    static func processes(in namespace: NetworkNamespace) -> [Int32] {
        Directory.list("/proc").compactMap { Int32($0) }.filter { pid in
            guard let its = try? NetworkNamespace(processID: pid).identity(),
                let wanted = try? namespace.identity()
            else { return false }
            return its == wanted
        }
    }

    static func kill(_ pid: Int32, _ signal: Int32 = SIGKILL) { Glibc.kill(pid, signal) }

    /// Namespaces that are there and belong to this process.
    static func leftovers() -> [String] {
        guard let own = ProcessIdentity.current() else { return [] }
        return NetworkNamespace.list().filter { TestbedName.owner(of: $0) == own }
    }
}

/// A UDP socket in a namespace.
final class DatagramSocket {
    private let socket: OwnedDescriptor
    private let poll: EventPoll

    init(in namespace: NetworkNamespace, address: IPAddress, port: UInt16) throws {
        let descriptor = try NamespaceThread.run(in: namespace) { () throws -> Int32 in
            let descriptor = try checkedErrno(
                Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket")
            var size: Int32 = 4 << 20
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
            let result = Self.socketAddress(address, port).withUnsafeBytes {
                bind(
                    descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t($0.count))
            }
            try checkedErrno(result, "bind \(address)")
            return descriptor
        }
        socket = OwnedDescriptor(descriptor)
        poll = try EventPoll()
        try poll.add(descriptor, token: 0)
    }

    private static func socketAddress(_ address: IPAddress, _ port: UInt16) -> [UInt8] {
        [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(port & 0xff)] + address.bytes
            + [UInt8](repeating: 0, count: 8)
    }

    /// Sends so many octets that begin with `number`; `errno` of the call, 0 when it went out.
    @discardableResult
    func send(_ number: UInt8, count: Int = 100, to address: IPAddress, port: UInt16) -> Int32 {
        let payload = [number] + [UInt8](repeating: 0x55, count: count - 1)
        let result = Self.socketAddress(address, port).withUnsafeBytes {
            sendto(
                socket.rawValue, payload, payload.count, 0,
                $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        return result < 0 ? errno : 0
    }

    /// The first octet of the next datagram; `nil` when none comes within the time.
    func receive(within limit: Duration) throws -> UInt8? {
        let deadline = MonotonicClock.now() + limit
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while true {
            if recv(socket.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {
                return buffer[0]
            }
            if MonotonicClock.now() >= deadline { return nil }
            _ = try poll.wait(until: deadline)
        }
    }

    /// All that come until none comes for so long.
    func drain(silence: Duration) throws -> [UInt8] {
        var numbers: [UInt8] = []
        while let number = try receive(within: silence) { numbers.append(number) }
        return numbers
    }
}

/// A client's and a server's socket on one path.
struct DatagramPair {
    let client: DatagramSocket
    let server: DatagramSocket
    let path: Path
    let topology: Topology

    init(_ testbed: TestbedController, path index: Int) throws {
        topology = testbed.topology
        path = topology.paths[index]
        client = try DatagramSocket(
            in: testbed.namespace(.client), address: path.clientAddress, port: 5_001)
        server = try DatagramSocket(
            in: testbed.namespace(.server), address: topology.server.address,
            port: 6_000 + UInt16(index))
        port = 6_000 + UInt16(index)
    }

    private let port: UInt16

    @discardableResult
    func sendUp(_ number: UInt8, count: Int = 100) -> Int32 {
        client.send(number, count: count, to: topology.server.address, port: port)
    }

    func sendDown(_ number: UInt8, count: Int = 100) {
        server.send(number, count: count, to: path.clientAddress, port: 5_001)
    }

    /// Time of one datagram in each direction; the middle one of several.
    func medianDelays(of rounds: Int) throws -> (up: Duration, down: Duration)? {
        var up: [Duration] = []
        var down: [Duration] = []
        for round in 0..<rounds {
            let start = MonotonicClock.now()
            sendUp(UInt8(round))
            guard try server.receive(within: .seconds(5)) == UInt8(round) else { return nil }
            let middle = MonotonicClock.now()
            sendDown(UInt8(round))
            guard try client.receive(within: .seconds(5)) == UInt8(round) else { return nil }
            up.append(middle - start)
            down.append(MonotonicClock.now() - middle)
        }
        return (up.sorted()[rounds / 2], down.sorted()[rounds / 2])
    }
}

/// Accepts one TCP connection and counts what comes.
final class TCPSink {
    private let listener: OwnedDescriptor
    private let poll: EventPoll

    init(in namespace: NetworkNamespace, port: UInt16) throws {
        let descriptor = try NamespaceThread.run(in: namespace) { () throws -> Int32 in
            let descriptor = try checkedErrno(
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket")
            let address: [UInt8] =
                [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(port & 0xff)]
                + [UInt8](repeating: 0, count: 12)
            let result = address.withUnsafeBytes {
                bind(
                    descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t($0.count))
            }
            try checkedErrno(result, "bind")
            try checkedErrno(listen(descriptor, 1), "listen")
            return descriptor
        }
        listener = OwnedDescriptor(descriptor)
        poll = try EventPoll()
        try poll.add(descriptor, token: 0)
    }

    /// Octets that came until there were enough or the time was over.
    func receive(atLeast wanted: Int, within limit: Duration) throws -> Int {
        let deadline = MonotonicClock.now() + limit
        if try poll.wait(until: deadline).isEmpty { return 0 }
        let connection = OwnedDescriptor(
            try checkedErrno(accept(listener.rawValue, nil, nil), "accept"))
        poll.remove(listener.rawValue)
        try poll.add(connection.rawValue, token: 1)
        defer { poll.remove(connection.rawValue) }
        var count = 0
        while count < wanted, MonotonicClock.now() < deadline {
            if try poll.wait(until: deadline).isEmpty { break }
            let bytes = try connection.read()
            if bytes.isEmpty { break }
            count += bytes.count
        }
        return count
    }
}
