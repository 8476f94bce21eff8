import Foundation
import LinuxSystem
import NetworkPrimitives

/// tcpdump at the server's interface and what tshark says about its capture: a judge that has none of
/// our code.
final class CaptureWitness {
    /// Whether both are there; a test that asks for a witness is skipped where they are not.
    static let isPossible =
        (try? Executable.find("tcpdump")) != nil && (try? Executable.find("tshark")) != nil

    private let directory: URL
    private let process: ChildProcess
    /// Its messages: a reader that goes away would end it.
    private let output: OwnedDescriptor
    private var file: String { directory.appendingPathComponent("server.pcap").path }

    /// Captures from now on: returns when tcpdump says that it listens.
    init(_ interface: String, in namespace: NetworkNamespace) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "mptcpctl-test-\(RandomBytes.suffix())")
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true)
        let pipe = try LinuxSystem.Pipe()
        process = try ChildProcess(
            "tcpdump",
            [
                "-i", interface, "-U", "--immediate-mode", "-B", "32768", "-s", "160", "-Z", "root",
                "-w", directory.appendingPathComponent("server.pcap").path, "tcp",
            ], in: namespace, streams: .init(error: pipe.writeEnd.rawValue))
        output = pipe.keepingReadEnd()
        var text = ""
        while !text.contains("listening on") {
            let bytes = try output.read()
            if bytes.isEmpty { throw SystemError("tcpdump: \(text)", code: 5) }
            text += String(decoding: bytes, as: UTF8.self)
        }
    }

    deinit {
        process.terminate()
        try? FileManager.default.removeItem(at: directory)
    }

    /// Ends the capture and returns what tshark objects to: malformed packets, and anything about
    /// MPTCP that it warns of. `-s` cuts payloads, which is no fault.
    func complaints() throws -> String {
        process.signal(SIGINT)
        _ = process.wait()
        let filter = [
            "_ws.malformed", "tcp.option.len.invalid", "mptcp.connection.echoed_key_mismatch",
            "mptcp.connection.missing_algorithm", "mptcp.connection.unsupported_algorithm",
            "mptcp.dss.infinite_mapping", "mptcp.dss.missing_mapping",
        ].joined(separator: " || ")
        return try tshark(["-Y", filter])
    }

    /// Packets that match a display filter, after `complaints`.
    func count(_ filter: String) throws -> Int {
        try tshark(["-Y", filter]).split(separator: "\n").count
    }

    private func tshark(_ arguments: [String]) throws -> String {
        let outcome = try ChildProcess.run("tshark", ["-n", "-r", file] + arguments)
        guard outcome.exit.isSuccess else {
            throw SystemError("tshark: \(outcome.error)", code: 5)
        }
        return outcome.output
    }
}
