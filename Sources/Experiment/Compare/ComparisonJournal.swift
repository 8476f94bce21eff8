internal import LinuxSystem
internal import Scenario
internal import SystemPackage

/// `runs.jsonl`: a line for each finished run, from which an interrupted comparison goes on.
final class ComparisonJournal: Sendable {
    static let name = "runs.jsonl"

    /// What a line holds.
    struct Entry {
        var fingerprint: String
        /// That of the whole comparison.
        var seed: UInt64
        var job: ComparisonPlan.Job
        var run: RunResult

        init(fingerprint: String, seed: UInt64, job: ComparisonPlan.Job, run: RunResult) {
            self.fingerprint = fingerprint
            self.seed = seed
            self.job = job
            self.run = run
        }

        /// Reads a line; `nil` for anything else, such as one that was cut off.
        init?(_ line: String) {
            guard let value = try? JSONValue(parsing: line),
                let fingerprint = value["fingerprint"]?.asString,
                let seed = value["seed"]?.asInteger, let cell = value["cell"]?.asInteger,
                cell >= 1, let run = value["run"].flatMap(RunResult.init(json:)), run.index >= 1
            else { return nil }
            self.init(
                fingerprint: fingerprint, seed: UInt64(max(seed, 0)),
                job: .init(cell: Int(cell) - 1, run: run.index), run: run)
        }

        /// The line.
        var line: String {
            JSONValue.members([
                "fingerprint": .string(fingerprint),
                "seed": JSONValue(unsigned: seed),
                "cell": .integer(Int64(job.cell + 1)),
                "run": run.json,
            ]).compact + "\n"
        }
    }

    /// What a journal holds.
    struct Content {
        var entries: [Entry] = []
        /// Octets of whole lines.
        var length = 0
    }

    /// What was there when it was opened.
    let content: Content
    private let file: OwnedDescriptor

    /// Opens the journal of a directory, which nobody else may have open.
    init(_ files: ResultFiles) throws(ExperimentError) {
        let path = try files.prepare(Self.name)
        let opened: OwnedDescriptor?
        do throws(SystemError) {
            opened = try TextFile.appendAlone(path)
        } catch {
            throw .environment("\(error)")
        }
        guard let opened else {
            throw .usage("\(path): another mptcpctl is at work there; wait for its end")
        }
        file = opened
        content = try Self.content(of: files.root.string)
    }

    /// Takes away a line that was cut off.
    func cut() throws(ExperimentError) {
        do {
            try TextFile.cut(file, to: content.length)
        } catch {
            throw .environment("\(Self.name): \(error)")
        }
    }

    /// Adds a line, in one piece.
    func append(_ line: String) throws(ExperimentError) {
        do {
            try file.write(line.utf8)
        } catch {
            throw .environment("\(Self.name): \(error)")
        }
    }

    /// What the journal of a directory holds. Only the last line may be cut off.
    static func content(of directory: String) throws(ExperimentError) -> Content {
        let path = "\(directory)/\(name)"
        let octets: [UInt8]
        do {
            octets = try TextFile.bytes(path)
        } catch {
            throw .environment("\(error)")
        }
        var content = Content()
        let lines = octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.dropLast().enumerated() {
            guard let entry = Entry(String(decoding: line, as: UTF8.self)) else {
                throw .usage(
                    "\(path):\(number + 1): this is no run of this version; go on in another "
                        + "directory, or remove the line")
            }
            content.entries.append(entry)
            content.length += line.count + 1
        }
        return content
    }
}
