internal import LinuxSystem
internal import SystemPackage

/// The files of results below one directory, each with its path relative to it.
struct ResultFiles {
    let root: FilePath

    /// Those of a directory below.
    func inside(_ relative: String) -> ResultFiles {
        ResultFiles(root: root.appending(relative))
    }

    /// A place for a file, its directories made.
    func prepare(_ relative: String) throws(ExperimentError) -> String {
        let file = root.appending(relative)
        do {
            try Directory.make(file.removingLastComponent().string)
        } catch {
            throw .environment("\(error)")
        }
        return file.string
    }

    /// Writes a file; nobody ever sees half of it.
    func write(_ text: String, to relative: String) throws(ExperimentError) {
        let file = try prepare(relative)
        do {
            try TextFile.replace(file, with: text)
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Removes a file or directory, if it is there.
    func remove(_ relative: String) {
        try? Directory.remove(root.appending(relative).string)
    }
}
