internal import Glibc
internal import LinuxSystem
internal import SystemPackage

/// The directory of an experiment's results. It grows under a name of its own and takes its final
/// name when it is whole, so that nobody takes a half-written one for a result.
struct OutputDirectory {
    /// The final path.
    let path: FilePath
    /// Where files are written until then.
    let temporary: FilePath
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
            self.path = FilePath(path)
            latest = nil
            madeSeries = nil
        case .named:
            let series = FilePath("results")
            path = Self.free(series.appending("\(Self.timestamp())-\(name)"))
            latest = series.appending("latest")
            madeSeries = Directory.exists(series.string) ? nil : series
        }
        temporary = FilePath("\(path).partial-\(getpid())")
        if Directory.exists(path.string) {
            throw .usage("--output \(path): exists already; name a directory that does not")
        }
        do {
            try Directory.make(temporary.string)
        } catch {
            throw .usage("--output \(path): \(error); name a place where you may write")
        }
    }

    private static func free(_ path: FilePath) -> FilePath {
        var candidate = path
        var number = 2
        while Directory.exists(candidate.string) {
            candidate = FilePath("\(path)-\(number)")
            number += 1
        }
        return candidate
    }

    private static func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%d-%H%M%S", &parts)
        return String(decoding: text[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A place for a file, its directories made.
    func prepare(_ relative: String) throws(ExperimentError) -> String {
        let file = temporary.appending(relative)
        do {
            try Directory.make(file.removingLastComponent().string)
        } catch {
            throw .environment("\(error)")
        }
        return file.string
    }

    /// Writes a file.
    func write(_ text: String, to relative: String) throws(ExperimentError) {
        let file = try prepare(relative)
        do {
            try TextFile.write(text, to: file)
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Removes a file or directory, if it is there.
    func remove(_ relative: String) {
        try? Directory.remove(temporary.appending(relative).string)
    }

    /// Everything is there: the directory takes its name.
    func commit() throws(ExperimentError) {
        do {
            try Directory.rename(temporary.string, to: path.string)
            if let latest, let name = path.lastComponent {
                try Directory.link(latest.string, to: name.string)
            }
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Leaves nothing behind.
    func discard() {
        try? Directory.remove(temporary.string)
        if let madeSeries { Directory.removeIfEmpty(madeSeries.string) }
    }
}
