import LinuxSystem
import Testing

/// Options that would be ignored are errors, and say what to do.
@Suite struct UsageTests {
    @Test(arguments: [
        ("handover --client kernel --scheduler redundant", "--scheduler: the kernel has its own"),
        ("handover --server kernel --kernel-pm endpoint-delete", "--kernel-pm: it is the client's"),
        ("handover --link-emulation model", "--link-emulation: 'model' is what a simulation has"),
        ("handover --duration 2000h", "--duration"),
        ("connect 10.0.0.1 --stack kernel --policy full", "--policy is for --stack swift"),
        ("connect 10.0.0.1 --stack kernel --scheduler blest", "--scheduler is for --stack swift"),
        ("connect 10.0.0.1 --in-turn --connections 600", "--connections is at most 511"),
        ("connect 10.0.0.1 --fast-open --mptcp-version 0", "--fast-open needs version 1"),
        ("serve --stack kernel --scheduler blest", "--scheduler is for --stack swift"),
        ("connect 10.0.0.1 --connections 512", "--connections is at most 511"),
        ("compare --threshold 5%", "--threshold is for --baseline"),
        ("handover --runs -1", "--runs: at least 1 run is needed"),
        ("handover --break-at 1500", "write a number and its unit, as in 1500ms"),
        ("handover --break-at -1s", "write a number and its unit"),
        ("handover --size 10KiB", "B, kB, MB or GB (of 1000)"),
        ("handover --oracle-loss much", "write a percentage"),
        ("connect nohost", "write an IPv4 or IPv6 address; names are not looked up"),
        ("serve --announce host", "write an IPv4 or IPv6 address"),
        ("handover /tmp", "/tmp: Is a directory"),
    ])
    func contradictionsAreErrors(_ line: String, _ message: String) throws {
        let words = line.split(separator: " ").map(String.init)
        let outcome = try ChildProcess.run(Tool.path, words)
        #expect(outcome.exit == .code(2), "\(line): \(outcome.error)")
        #expect(outcome.error.contains(message), "\(line): \(outcome.error)")
    }

    /// A result that nobody could read is none, unless its reader had enough.
    @Test(arguments: [
        ("wireshark-plugin >/dev/full", 3, "No space left on device"),
        ("--help >/dev/full", 3, "No space left on device"),
        ("handover --client nobody >/dev/full", 2, "nobody"),
    ])
    func outputThatIsNotWritten(_ line: String, _ code: Int32, _ message: String) throws {
        let outcome = try ChildProcess.run("sh", ["-c", "\(Tool.path) \(line)"])
        #expect(outcome.exit == .code(code), "\(line): \(outcome.error)")
        #expect(outcome.error.contains(message), "\(line): \(outcome.error)")
        let reader = try ChildProcess.run(
            "bash", ["-c", "set -o pipefail; \(Tool.path) wireshark-plugin | true"])
        #expect(reader.exit == .code(0) && reader.error.isEmpty, "\(reader)")
    }

    /// The seed is there to be given again, and what is not judged is not passed over.
    @Test func soaksSayTheirSeedAndWhatTheyCannotJudge() throws {
        let outcome = try ChildProcess.run(
            Tool.path,
            ["soak", "multimob", "--backend", "simulation", "--quiet", "--duration", "5s"]
                + ["--flap", "1s", "--seed", "77"])
        #expect(outcome.output.contains("seed        77"))
        #expect(outcome.output.contains("memory not judged"))
    }
}
