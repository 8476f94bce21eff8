import Foundation
import KernelEndpoint
import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

/// A namespace of its own for one test, with loopback up.
final class KernelNamespace {
    static let isPossible = NetworkNamespace.canCreate && KernelSetting.isMPTCPAvailable

    let namespace: NetworkNamespace

    init() throws {
        let suffix = String(SystemRandomNumberGenerator().randomWord, radix: 36)
        namespace = try NetworkNamespace.create(named: ProcessIdentity.ownedName("kep-\(suffix)"))
        try ip("link set lo up")
    }

    deinit { try? NetworkNamespace.delete(named: namespace.name) }

    /// `ip -n NAMESPACE ARGUMENTS`
    @discardableResult
    func ip(_ arguments: String) throws -> String {
        let process = Process()
        let output = Foundation.Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/ip")
        process.arguments =
            ["-n", namespace.name] + arguments.split(separator: " ").map(String.init)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw SystemError("ip \(arguments): \(text)", code: 22)
        }
        return text
    }

    func run<Value>(_ body: () throws -> Value) throws -> Value {
        try NamespaceThread.run(in: namespace, body)
    }
}

extension SystemRandomNumberGenerator {
    fileprivate var randomWord: UInt64 {
        var generator = self
        return generator.next()
    }
}

extension NetworkNamespace {
    fileprivate static var canCreate: Bool {
        let name = ProcessIdentity.ownedName(
            "kep-probe-\(SystemRandomNumberGenerator().randomWord)")
        do {
            _ = try NetworkNamespace.create(named: name)
            try NetworkNamespace.delete(named: name)
            return true
        } catch {
            return false
        }
    }
}
