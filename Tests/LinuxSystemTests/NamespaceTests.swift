import Glibc
import LinuxSystem
import Testing

@Suite(
    "Network namespaces", .serialized,
    .enabled(
        if: Capabilities.effective().canBuildNetworks,
        "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct NamespaceTests {
    private let name = ProcessIdentity.ownedName("ns-\(RandomBytes.suffix())")

    @Test("a namespace is made, shows in ip netns list, and is deleted")
    func lifeCycle() throws {
        let namespace = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let listed = try ChildProcess.run("ip", ["netns", "list"])
        #expect(listed.output.split(whereSeparator: \.isWhitespace).contains(Substring(name)))
        #expect(NetworkNamespace.list().contains(name))
        #expect(try namespace.identity() != NetworkNamespace.current().identity())
        let again = try NetworkNamespace(named: name)
        #expect(try again.identity() == namespace.identity())

        try NetworkNamespace.delete(named: name)
        #expect(!NetworkNamespace.list().contains(name))
        #expect(throws: SystemError.self) { try NetworkNamespace(named: name) }
        // Deleting what is not there is no error: undo may come twice.
        try NetworkNamespace.delete(named: name)
    }

    @Test("several are made, or none")
    func several() throws {
        #expect(throws: SystemError.self) {
            try NetworkNamespace.create(named: [name, "\(name)-b", "not/a/name"])
        }
        #expect(!NetworkNamespace.list().contains { $0.hasPrefix(name) })
    }

    @Test("a parameter that several change at once loses no change")
    func update() throws {
        let namespace = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let ports = SysctlFile("net.ipv4.ip_local_reserved_ports")
        try WorkerThreads.run(8) { number in
            for step in 0..<10 {
                try? NamespaceThread.run(in: namespace) {
                    try ports.update { text in
                        let port = 1_000 + 2 * (10 * number + step)
                        return text.isEmpty ? "\(port)" : "\(text),\(port)"
                    }
                }
            }
        }
        #expect(try ports.read(in: namespace).split(separator: ",").count == 80)
        let unchanged = try ports.read(in: namespace)
        try NamespaceThread.run(in: namespace) { try ports.update { _ in nil } }
        #expect(try ports.read(in: namespace) == unchanged)
    }

    @Test("ip can use and delete what we made, and we what ip made")
    func withIP() throws {
        _ = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let links = try ChildProcess.run("ip", ["-n", name, "link", "show"])
        #expect(links.exit.isSuccess && links.output.contains("lo:"))
        #expect(try ChildProcess.run("ip", ["netns", "del", name]).exit.isSuccess)
        #expect(try ChildProcess.run("ip", ["netns", "add", name]).exit.isSuccess)
        _ = try NetworkNamespace(named: name)
        try NetworkNamespace.delete(named: name)
        let listed = try ChildProcess.run("ip", ["netns", "list"])
        #expect(!listed.output.contains(name))
    }

    @Test("a name taken twice is an error and leaves the first alone")
    func twice() throws {
        let first = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let error = #expect(throws: SystemError.self) {
            try NetworkNamespace.create(named: name)
        }
        #expect(error?.alreadyExists == true)
        #expect(try NetworkNamespace(named: name).identity() == first.identity())
    }

    @Test("names that would leave the directory are refused", arguments: ["", ".", "..", "a/b"])
    func badNames(_ bad: String) {
        #expect(throws: SystemError.self) { try NetworkNamespace.create(named: bad) }
        #expect(throws: SystemError.self) { try NetworkNamespace.delete(named: bad) }
    }

    @Test("work inside a namespace does not move the caller's thread")
    func thread() throws {
        let namespace = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let before = try NetworkNamespace.current().identity()
        let inside = try NamespaceThread.run(in: namespace) {
            try NetworkNamespace.current().identity()
        }
        #expect(try inside == namespace.identity())
        #expect(try NetworkNamespace.current().identity() == before)
        #expect(throws: SystemError("x", code: EPIPE)) {
            try NamespaceThread.run(in: namespace) { throw SystemError("x", code: EPIPE) }
        }
    }

    @Test("kernel parameters belong to the namespace")
    func sysctl() throws {
        let namespace = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let forwarding = SysctlFile("net.ipv4.ip_forward")
        let outside = try forwarding.read()
        try forwarding.write("1", in: namespace)
        #expect(try forwarding.read(in: namespace) == "1")
        #expect(try forwarding.read() == outside)
        #expect(SysctlFile("net.ipv4.conf.eth0/1.x").path == "/proc/sys/net/ipv4/conf/eth0.1/x")
    }

    @Test("a child process is put into a namespace, and only the child")
    func child() throws {
        let namespace = try NetworkNamespace.create(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let outcome = try ChildProcess.run(
            "readlink", ["/proc/self/ns/net"], in: namespace)
        #expect(outcome.output == "net:[\(try namespace.identity())]\n")
        let held = try ChildProcess("sleep", ["30"], in: namespace)
        defer { held.terminate() }
        #expect(
            try NetworkNamespace(processID: held.processID).identity() == namespace.identity())
    }
}
