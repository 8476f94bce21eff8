package import LinuxSystem
package import Topology

/// How the namespaces of a testbed are called: `mptcpctl-<owner>-<suffix>-<host>`, so that everybody can
/// tell whose they are and whether that one still lives.
package struct TestbedName: Hashable, Sendable {
    /// Before everything of ours that has a name outside a process.
    package static let prefix = "mptcpctl-"

    package var owner: ProcessIdentity
    /// Tells testbeds of one owner apart.
    package var suffix: String

    package init(owner: ProcessIdentity, suffix: String) {
        self.owner = owner
        self.suffix = suffix
    }

    /// The namespace of a host.
    package func namespace(_ host: TestbedHost) -> String {
        "\(Self.prefix)\(owner)-\(suffix)-\(host.rawValue)"
    }

    /// Reads the name of a namespace; `nil` when it is none of ours.
    package static func parse(
        namespace text: String
    ) -> (name: TestbedName, host: TestbedHost)? {
        guard let owner = owner(of: text), let last = text.lastIndex(of: "-"),
            let host = TestbedHost(rawValue: String(text[text.index(after: last)...]))
        else { return nil }
        let start = text.index(
            text.startIndex, offsetBy: prefix.count + owner.description.count + 1)
        guard start < last else { return nil }
        return (TestbedName(owner: owner, suffix: String(text[start..<last])), host)
    }

    /// The owner in the name of anything of ours; `nil` when it is foreign.
    package static func owner(of text: String) -> ProcessIdentity? {
        guard text.hasPrefix(prefix) else { return nil }
        let rest = text.dropFirst(prefix.count)
        guard let end = rest.firstIndex(of: "-") else { return nil }
        return ProcessIdentity(rest[..<end])
    }
}
