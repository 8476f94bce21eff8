internal import Glibc
internal import LinuxSystem
internal import SystemPackage

/// The directory of an experiment's results. It grows under a name of its own and takes its final
/// name when it is whole, so that nobody takes a half-written one for a result.
struct OutputDirectory: ~Copyable {
    /// The final path.
    private(set) var path: FilePath
    /// What the final path would be if nobody else took it.
    private let wanted: FilePath
    /// Where files are written until then.
    let files: ResultFiles
    /// Held while it grows.
    private let lock: OwnedDescriptor?
    /// The `latest` link beside it, if it is one of a series.
    private let latest: FilePath?
    /// The directory of the series, if this run made it.
    private let madeSeries: FilePath?

    /// The final path as text.
    var name: String { path.string }

    /// Makes the directory, or throws why it cannot.
    init(_ output: ExperimentRunner.Output, name: String) throws(ExperimentError) {
        switch output {
        case .directory(let path):
            wanted = FilePath(path)
            self.path = wanted
            latest = nil
            madeSeries = nil
        case .named:
            let series = FilePath("results")
            wanted = series.appending("\(Self.timestamp())-\(name)")
            path = Self.free(wanted)
            latest = series.appending("latest")
            madeSeries = Directory.exists(series.string) ? nil : series
        }
        // The owner stands in the name: gc removes what a killed process left.
        let owner = ProcessIdentity.current()?.description ?? "\(getpid())"
        files = ResultFiles(root: FilePath("\(path).partial-\(owner)"))
        if Directory.exists(path.string) {
            throw .usage("--output \(path): exists already; name a directory that does not")
        }
        do {
            try Directory.make(files.root.string)
            lock = try Directory.lock(files.root.string)
        } catch {
            throw .usage("--output \(path): \(error); name a place where you may write")
        }
    }

    /// The path, or the first with a number behind it where nothing is yet.
    static func free(_ path: FilePath) -> FilePath {
        var candidate = path
        var number = 2
        while Directory.exists(candidate.string) {
            candidate = FilePath("\(path)-\(number)")
            number += 1
        }
        return candidate
    }

    /// The time of day for names: `20261124-211701`.
    static func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%d-%H%M%S", &parts)
        return String(decoding: text[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Everything is there: the directory takes its name.
    ///
    /// - Returns: `false` when somebody took the name meanwhile: the path is the next free one now, for
    ///   another try.
    mutating func commit() throws(ExperimentError) -> Bool {
        do {
            if try Directory.rename(files.root.string, to: path.string) { return true }
        } catch {
            throw .environment("\(error)")
        }
        path = Self.free(wanted)
        return false
    }

    /// Whether somebody else took the name that was asked for.
    var isElsewhere: Bool { latest == nil && path != wanted }

    /// It will never be whole, and what there is stays under a name that nobody takes for a result's.
    ///
    /// - Returns: The path.
    func keepUnfinished() -> String {
        let kept = Self.free(FilePath("\(path).unfinished")).string
        let isMoved = (try? Directory.rename(files.root.string, to: kept)) == true
        return isMoved ? kept : files.root.string
    }

    /// Has `latest` lead to the directory. The results are as good without.
    func setLatest() throws(SystemError) {
        guard let latest, let name = path.lastComponent else { return }
        try Directory.link(latest.string, to: name.string)
    }

    /// Leaves nothing behind.
    func discard() {
        try? Directory.remove(files.root.string)
        if let madeSeries { Directory.removeIfEmpty(madeSeries.string) }
    }
}
