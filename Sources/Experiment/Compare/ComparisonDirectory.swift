internal import LinuxSystem
internal import SystemPackage

/// The directory of a comparison. Unlike that of one experiment it has its final name from the start,
/// because it grows over hours: what is finished stays when somebody interrupts.
struct ComparisonDirectory {
    let files: ResultFiles
    /// The `latest` link beside it, if it is one of a series.
    private let latest: FilePath?
    /// Whether nothing was there before.
    private let isNew: Bool
    /// The directory of the series, if this comparison made it.
    private let madeSeries: FilePath?

    /// Its path.
    var name: String { files.root.string }

    /// Makes the directory, or takes the one that is to be resumed.
    init(_ output: ComparisonRunner.Output, name: String) throws(ExperimentError) {
        var path: FilePath
        switch output {
        case .resumed(let existing):
            guard Directory.exists("\(existing)/\(ComparisonJournal.name)") else {
                throw .usage(
                    "--resume \(existing): there is no \(ComparisonJournal.name); nothing was begun"
                )
            }
            files = ResultFiles(root: FilePath(existing))
            (latest, isNew, madeSeries) = (nil, false, nil)
            return
        case .directory(let wanted):
            path = FilePath(wanted)
            (latest, madeSeries) = (nil, nil)
        case .named:
            let series = FilePath("results")
            madeSeries = Directory.exists(series.string) ? nil : series
            path = series.appending("\(OutputDirectory.timestamp())-\(name)")
            latest = series.appending("latest")
        }
        isNew = true
        do {
            let wanted = path
            while try !Directory.makeNew(path.string) {
                // Of a series somebody may have the name, or take it just now.
                guard latest != nil else { throw Taken() }
                path = OutputDirectory.free(wanted)
            }
        } catch is Taken {
            throw .usage(
                "--output \(path): exists already; name a directory that does not, or go on there "
                    + "with --resume")
        } catch {
            throw .usage("--output \(path): \(error); name a place where you may write")
        }
        files = ResultFiles(root: path)
    }

    private struct Taken: Error {}

    /// The results are there. Throws when the link of the series cannot be set, without which they
    /// are as good.
    func commit() throws(SystemError) {
        removeEmptyCells()
        guard let latest, let name = files.root.lastComponent else { return }
        try Directory.link(latest.string, to: name.string)
    }

    /// The results are not there: what is finished stays, and nothing else that was not there before.
    func leave(isEmpty: Bool) {
        removeEmptyCells()
        guard isNew, isEmpty else { return }
        try? Directory.remove(name)
        if let madeSeries { Directory.removeIfEmpty(madeSeries.string) }
    }

    /// Where no captures are kept, nothing is left in the directories of the cells.
    private func removeEmptyCells() {
        let cells = "\(name)/cells"
        for cell in Directory.list(cells) {
            Directory.removeIfEmpty("\(cells)/\(cell)/runs")
            Directory.removeIfEmpty("\(cells)/\(cell)")
        }
        Directory.removeIfEmpty(cells)
    }
}
