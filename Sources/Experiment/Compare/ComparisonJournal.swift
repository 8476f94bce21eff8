internal import LinuxSystem
internal import Scenario

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
        init?(_ line: Substring) {
            guard let value = try? JSONValue(parsing: String(line)),
                let fingerprint = value["fingerprint"]?.asString,
                let seed = value["seed"]?.asInteger, let cell = value["cell"]?.asInteger,
                let run = value["run"].flatMap(RunResult.init(json:))
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

    private let file: OwnedDescriptor

    /// Opens the journal of a directory; `entries` are what it holds, and all that it will: what was
    /// cut off goes.
    init(_ files: ResultFiles, entries: [Entry]) throws(ExperimentError) {
        try files.write(entries.map(\.line).joined(), to: Self.name)
        let path = try files.prepare(Self.name)
        do {
            file = try TextFile.append(path)
        } catch {
            throw .environment("\(error)")
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

    /// What the journal of a directory holds; empty where there is none.
    static func entries(in directory: String) -> [Entry] {
        guard let text = try? TextFile.read("\(directory)/\(name)") else { return [] }
        return text.split(separator: "\n").compactMap(Entry.init)
    }
}
