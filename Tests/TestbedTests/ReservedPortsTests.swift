import Glibc
import LinuxSystem
import PacketDevice
import Testing

extension NamespaceSuites {
    /// What a server takes from the kernel it gives back, however it ends.
    @Suite("Reserved ports", .serialized)
    struct ReservedPortsTests {
        private static let reservation = SysctlFile("net.ipv4.ip_local_reserved_ports")

        private func withServer(
            _ body: (ChildProcess, NetworkNamespace) throws -> Void
        ) throws {
            let name = "tb-ports-\(RandomBytes.suffix())"
            let namespace = try NetworkNamespace.create(named: name)
            defer { try? NetworkNamespace.delete(named: name) }
            for words in ["link add a0 type veth peer name b0", "link set a0 up"] {
                let outcome = try ChildProcess.run(
                    "ip", words.split(separator: " ").map(String.init), in: namespace)
                #expect(outcome.exit.isSuccess, "\(outcome.error)")
            }
            try Self.reservation.write("8080", in: namespace)
            // It says that it listens once the port is its own.
            let answers = try Pipe()
            let server = try ChildProcess(
                TestPrograms.mptcpctl, ["serve", "--port", "5017"], in: namespace,
                streams: .init(output: answers.writeEnd.rawValue))
            defer { server.terminate() }
            let output = answers.keepingReadEnd()
            try #require(try !output.read().isEmpty, "the server does not start")
            #expect(try Self.reservation.read(in: namespace) == "5017,8080")
            try withExtendedLifetime(output) { try body(server, namespace) }
        }

        private func tables(in namespace: NetworkNamespace) throws -> String {
            try ChildProcess.run("nft", ["list", "tables"], in: namespace).output
        }

        @Test("are released by gc when the server was killed")
        func killed() throws {
            try withServer { server, namespace in
                kill(server.processID, SIGKILL)
                _ = server.wait()
                #expect(try tables(in: namespace).contains("mptcpctl-"))
                let outcome = try ChildProcess.run(TestPrograms.mptcpctl, ["gc"], in: namespace)
                #expect(outcome.exit.isSuccess, "\(outcome.error)")
                #expect(try tables(in: namespace).isEmpty)
                #expect(try Self.reservation.read(in: namespace) == "8080")
            }
        }

        @Test("are released when the terminal goes away")
        func hangUp() throws {
            try withServer { server, namespace in
                kill(server.processID, SIGHUP)
                #expect(server.wait() == .code(130))
                let left = try tables(in: namespace)
                #expect(left.isEmpty)
                let reserved = try Self.reservation.read(in: namespace)
                #expect(reserved == "8080")
            }
        }

        @Test("are read from what nft lists")
        func listing() {
            let text = """
                table netdev mptcpctl-1.2-x {
                \tchain in0 {
                \t\ttype filter hook ingress device "a0" priority filter; policy accept;
                \t\ttcp dport 5017 drop
                \t}
                \tchain in1 {
                \t\ttcp dport { 5018, 40000-40511 } drop
                \t}
                }
                """
            #expect(
                KernelSilencer.ports(ofListing: text).description == "5017-5018,40000-40511")
            #expect(KernelSilencer.ports(ofListing: "garbage").ranges.isEmpty)
        }
    }
}
