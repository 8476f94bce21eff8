import LinuxSystem
import NetworkPrimitives
import Testbed
import Testing
import Topology

extension NamespaceSuites {
    /// Boxes on the path in real time: two endpoints with a transfer over the relay.
    @Suite("Middleboxes in the relay", .serialized)
    struct MiddleboxRelayTests {
        struct Cell: CustomTestStringConvertible, Sendable {
            var boxes: String
            var client = "swift"
            var server = "swift"
            /// Whether an end of ours says that it fell back to plain TCP.
            var fallsBack = false

            var testDescription: String { "\(client) to \(server): \(boxes)" }
        }

        private static let stripped = "{ box: options, segments: [syn] }"
        private static let plain = Cell(boxes: stripped, fallsBack: true)
        private static let rewritten = "{ box: sequence, sack: false }"

        static let cells = [
            plain,
            Cell(boxes: "{ box: nat }, \(rewritten), { box: mss, limit: 900 }"),
            Cell(boxes: "{ box: split, size: 500, options: first }, { box: first-copy }"),
            Cell(boxes: "{ box: coalesce, hold: 2 ms, only-equal-options: true }, { box: holes }"),
            Cell(boxes: "{ box: options, options: [dss] }", fallsBack: true),
            Cell(boxes: "{ box: reset, aim: window, after: 20, times: 5 }"),
            Cell(boxes: "{ box: nat }, \(rewritten)", server: "kernel"),
            Cell(boxes: "{ box: split, size: 500, options: first }", server: "kernel"),
            Cell(boxes: stripped, server: "kernel", fallsBack: true),
            Cell(boxes: "{ box: options, segments: [syn-ack] }", client: "kernel", fallsBack: true),
            Cell(boxes: "{ box: nat }, \(rewritten)", client: "kernel"),
            Cell(boxes: "{ box: split, size: 500, options: all }", client: "kernel"),
        ]

        @Test("the transfer is intact, as MPTCP or as plain TCP", arguments: cells)
        func transfer(cell: Cell) throws {
            let testbed = try TestPrograms.testbed(Self.topology(boxes: cell.boxes))
            defer { testbed.tearDown() }
            let serverOutput = try Pipe()
            let errors = try MemoryFile()
            let server = try ChildProcess(
                TestPrograms.mptcpctl,
                [
                    "serve", "--connections", "1", "--stack", cell.server, "--timeout", "20s",
                    "--format", "json",
                ],
                in: testbed.namespace(.server),
                streams: .init(
                    output: serverOutput.writeEnd.rawValue, error: errors.descriptor.rawValue))
            defer { server.terminate() }
            let reports = serverOutput.keepingReadEnd()
            var serverText = ""
            while !serverText.contains("\n") {
                let bytes = try reports.read()
                if bytes.isEmpty { break }
                serverText += String(decoding: bytes, as: UTF8.self)
            }
            let client = try ChildProcess.run(
                TestPrograms.mptcpctl,
                [
                    "connect", "10.0.9.1", "--from", "10.0.1.2", "--stack", cell.client,
                    "--workload", "bulk", "--size", "300kB", "--timeout", "20s", "--format", "json",
                ], in: testbed.namespace(.client))
            #expect(client.exit == .code(0), "\(client.error)")
            while true {
                let bytes = try reports.read()
                if bytes.isEmpty { break }
                serverText += String(decoding: bytes, as: UTF8.self)
            }
            let serverErrors = try errors.text()
            #expect(server.wait() == .code(0), "\(serverErrors)")
            let events = client.output + serverText
            #expect(events.contains("\"event\":\"fallback\"") == cell.fallsBack, "\(events)")
        }

        private static func topology(boxes: String) throws -> Topology {
            try Topology(
                parsing: """
                    name: boxes
                    paths:
                      - name: wifi
                        client: 10.0.1.2/24
                        router: 10.0.1.1
                        rate: 50 Mbit/s
                        rtt: 10 ms
                        middleboxes: [\(boxes)]
                    server:
                      address: 10.0.9.1/24
                      router: 10.0.9.254
                    """, file: "test.yaml")
        }
    }
}
