import Glibc
import LinuxSystem
import NetworkPrimitives
import Scenario
import Testbed
import Testing
import Topology

extension NamespaceSuites {
    /// What a killed process leaves behind.
    @Suite("Garbage", .serialized)
    struct GarbageCollectorTests {
        @Test("of a killed process is removed, all of it and nothing else")
        func killed() throws {
            let foreign = "tb-foreign-\(RandomBytes.suffix())"
            _ = try NetworkNamespace.create(named: foreign)
            defer { try? NetworkNamespace.delete(named: foreign) }
            let living = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { living.tearDown() }

            // The one that is killed keeps a testbed, and somebody works in it with our program.
            let keeper = try Keeper("multimob")
            let name = TestbedName(owner: keeper.identity, suffix: TestbedKeeper.suffix)
            let links = try NetworkNamespace(named: name.namespace(.links))
            #expect(TestPrograms.processes(in: links).count == 1)
            let client = try NetworkNamespace(named: name.namespace(.client))
            let silent = try Pipe()
            // Waits for a configuration that never comes; a child of somebody else.
            let orphan = try ChildProcess(
                TestPrograms.mptcpctl, ["relay"], in: client,
                streams: .init(input: silent.readEnd.rawValue))
            let stranger = try ChildProcess("sleep", ["60"], in: client)
            defer { stranger.terminate() }
            let table = "mptcpctl-\(keeper.identity)-x"
            let scratch = try NetworkNamespace(named: foreign)
            for words in ["netdev \(table)", "inet mptcpctl-unowned", "ip \(Self.ownTable)"] {
                let made = try ChildProcess.run(
                    "nft", ["add", "table"] + words.split(separator: " ").map(String.init),
                    in: scratch)
                #expect(made.exit.isSuccess, "\(made.error)")
            }
            keeper.kill()

            let dry = try Self.collect(["--dry-run"], in: scratch)
            #expect(dry.allSatisfy { $0["removed"]?.asBool == false })
            #expect(NetworkNamespace.list().filter { $0.contains("\(keeper.identity)") }.count == 4)

            let findings = try Self.collect([], in: scratch)
            #expect(findings.allSatisfy { $0["removed"]?.asBool == true })
            let names = findings.compactMap { $0["name"]?.asString }
            for host in TestbedHost.allCases { #expect(names.contains(name.namespace(host))) }
            #expect(names.contains("netdev \(table)"))
            #expect(names.contains("\(orphan.processID) in \(name.namespace(.client))"))
            #expect(orphan.wait() == .signal(SIGKILL))

            // What is foreign, or whose owner lives, stays.
            #expect(stranger.poll() == nil)
            #expect(NetworkNamespace.list().contains(foreign))
            #expect(try living.verify() == [])
            let left = try ChildProcess.run("nft", ["list", "tables"], in: scratch).output
            #expect(left == "table inet mptcpctl-unowned\ntable ip \(Self.ownTable)\n")
            let none = try Self.collect([], in: scratch)
            #expect(!none.contains { $0["name"]?.asString?.contains("\(keeper.identity)") == true })
        }

        @Test("results that a killed process left unfinished are removed, others are not")
        func results() throws {
            let series = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
            defer { try? Directory.remove(series) }
            let dead = try ChildProcess("true", [])
            let identity = try #require(ProcessIdentity(of: dead.processID))
            _ = dead.wait()
            let own = try #require(ProcessIdentity.current())
            let left = "20261124-211701-wifi-lte-x.partial-\(identity)"
            let locked = "20261124-211702-wifi-lte-x.partial-\(identity)"
            let names = [
                left, "20261124-211701-wifi-lte-x", "20261124-211701-a.partial-\(own)", locked,
                "20261124-211701-b.partial-7", "a.partial-\(identity)",
            ]
            for name in names { try Directory.make("\(series)/\(name)/runs") }
            // Its owner, whose number means nothing here, still writes.
            guard let lock = try Directory.lock("\(series)/\(locked)") else {
                Issue.record("the directory cannot be locked")
                return
            }
            #expect(
                GarbageCollector.collectResults(in: series, dryRun: true).map(\.name)
                    == ["\(series)/\(left)"])
            #expect(Directory.list(series).count == names.count)
            let findings = GarbageCollector.collectResults(in: series)
            #expect(findings.map(\.kind) == [.results] && findings[0].failure == nil)
            #expect(Set(Directory.list(series)) == Set(names.dropFirst()))
            _ = consume lock
            #expect(GarbageCollector.collectResults(in: "\(series)/none") == [])
        }

        private static let ownTable = "mptcpctl-\(ProcessIdentity.current()?.description ?? "")-y"

        private static func collect(
            _ arguments: [String], in namespace: NetworkNamespace
        ) throws -> [JSONValue] {
            let outcome = try ChildProcess.run(
                TestPrograms.mptcpctl, ["gc", "--format", "json"] + arguments, in: namespace)
            #expect(outcome.exit.isSuccess, "\(outcome.error)")
            guard case .array(let findings) = try JSONValue(parsing: outcome.output) else {
                return []
            }
            return findings
        }
    }

    /// `mptcpctl testbed`.
    @Suite("Testbeds by hand", .serialized)
    struct TestbedCommandTests {
        private func run(_ words: String) throws -> ChildProcess.Outcome {
            try ChildProcess.run(
                TestPrograms.mptcpctl,
                ["testbed"] + words.split(separator: " ").map(String.init))
        }

        @Test("go up, can be worked in, and go down")
        func upAndDown() throws {
            let file = "/tmp/mptcpctl-test-\(RandomBytes.suffix()).yaml"
            let label = "test-\(RandomBytes.suffix())"
            let text = try #require(BuiltInTestbeds.text(named: "multimob"))
            let parts = text.split(separator: "name: multimob", omittingEmptySubsequences: false)
            try TextFile.write(parts.joined(separator: "name: \(label)"), to: file)
            defer { unlink(file) }
            let up = try run("up \(file)")
            #expect(up.exit.isSuccess, "\(up.error)")
            defer { _ = try? run("down \(label)") }
            #expect(up.output.hasPrefix("testbed '\(label)' is up (relay"))
            // A second one of the same name would be mistaken for it.
            #expect(try run("up \(file)").exit == .code(2))
            #expect(try run("show \(file)").output.contains("\nup: relay"))
            #expect(try run("list").output.contains("up: \(label)"))
            let shown = try run("show \(label) --format json")
            let json = try JSONValue(parsing: shown.output)
            #expect(json["differences"] == .array([]))
            #expect(json["up"]?["name"]?.asString == label)
            let ping = try run(
                "exec --testbed \(label) client -- ping -q -c 3 -i 0.05 10.0.9.1")
            #expect(ping.exit.isSuccess, "\(ping.output)")
            #expect(ping.output.contains(" 0% packet loss"))
            #expect(try run("exec --testbed \(label) server false").exit == .code(1))
            #expect(try run("exec --testbed \(label) server no-such-program").exit == .code(2))
            let down = try run("down \(label)")
            #expect(down.exit.isSuccess, "\(down.error)")
            #expect(try run("down \(label)").exit == .code(2))
            let names = NetworkNamespace.list().compactMap { TestbedName.parse(namespace: $0) }
            let namespaces = json["up"]?["namespaces"]?["client"]?.asString
            #expect(!names.contains { $0.name.namespace(.client) == namespaces })
        }

        @Test("a keeper whose word nobody hears takes its testbed down")
        func nobodyWaits() throws {
            let answers = try Pipe()
            let output = answers.keepingWriteEnd()
            let keeper = try ChildProcess(
                TestPrograms.mptcpctl, ["testbed", "keep", "wifi-lte", "relay", "nobody", "1"],
                streams: .init(output: output.rawValue))
            let identity = try #require(ProcessIdentity(of: keeper.processID))
            let deadline = MonotonicClock.now() + .seconds(20)
            let clock = try EventPoll()
            while keeper.poll() == nil, MonotonicClock.now() < deadline {
                _ = try clock.wait(until: MonotonicClock.now() + .milliseconds(20))
            }
            #expect(keeper.poll() == .code(1))
            keeper.terminate()
            #expect(!NetworkNamespace.list().contains { $0.contains("\(identity)") })
        }

        @Test("a plan without privileges; what is wrong, with its exit code")
        func planAndErrors() throws {
            let plan = try run("up satellite --dry-run --link-emulation netem")
            #expect(plan.exit.isSuccess)
            #expect(plan.output.contains("tc -n mptcpctl-satellite-links qdisc add dev sat3-r"))
            let unknown = try run("up wifi-tle")
            #expect(unknown.exit == .code(2))
            #expect(unknown.error.contains("multimob, satellite, sigcomm20, wifi-lte"))
            let file = "/tmp/mptcpctl-test-\(RandomBytes.suffix()).yaml"
            try TextFile.write("name: x\npathes: []\n", to: file)
            defer { unlink(file) }
            let wrong = try run("up \(file)")
            #expect(wrong.exit == .code(2))
            #expect(wrong.error.contains("\(file):2:1: pathes: unknown key"), "\(wrong.error)")
        }

        @Test("as a user without privileges, in a user namespace")
        func unprivileged() throws {
            try #require(access("/usr/bin/setpriv", X_OK) == 0)
            let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
            try Directory.make(directory)
            defer { try? Directory.remove(directory) }
            // Where the package lies, others may not read.
            let copied = try ChildProcess.run(
                "install", ["-m", "755", TestPrograms.mptcpctl, "\(directory)/mptcpctl"])
            #expect(copied.exit.isSuccess)
            func run(_ words: String) throws -> ChildProcess.Outcome {
                try ChildProcess.run(
                    "setpriv",
                    ["--reuid=65534", "--regid=65534", "--clear-groups", "\(directory)/mptcpctl"]
                        + words.split(separator: " ").map(String.init))
            }
            guard Capabilities.userNamespacesAllowed() else { return }
            let up = try run("testbed up multimob")
            #expect(up.exit.isSuccess, "\(up.error)")
            defer { _ = try? run("testbed down --all") }
            let ping = try run("testbed exec client -- ping -q -c 3 -i 0.2 10.0.9.1")
            #expect(ping.output.contains(" 0% packet loss"), "\(ping.error)")
            // Nobody else sees it.
            #expect(try !self.run("list").output.contains("up: multimob"))
            #expect(try run("testbed down").exit.isSuccess)
            #expect(try run("gc").output == "nothing to remove\n")
        }
    }
}

/// A keeper as `mptcpctl testbed up` starts it.
private final class Keeper {
    let identity: ProcessIdentity
    private let child: ChildProcess

    init(_ testbed: String) throws {
        let answers = try Pipe()
        child = try ChildProcess(
            TestPrograms.mptcpctl, TestbedKeeper.command + [testbed, "relay", testbed, "1"],
            streams: .init(output: answers.writeEnd.rawValue))
        let answer = answers.keepingReadEnd()
        guard try !answer.read().isEmpty, let identity = ProcessIdentity(of: child.processID)
        else { throw TestbedError("keeper", "did not start") }
        self.identity = identity
    }

    deinit { child.terminate() }

    func kill() { child.terminate() }
}
