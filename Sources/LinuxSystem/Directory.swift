internal import Glibc

/// Directories, as far as results need them.
package enum Directory {
    /// Whether something is there, a dangling symbolic link included.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// `mkdir`, and `mkdir -p` of what leads there; `false` when something is there already.
    package static func makeNew(_ path: String) throws(SystemError) -> Bool {
        if let slash = path.lastIndex(of: "/") { try make(String(path[..<slash])) }
        if mkdir(path, 0o777) == 0 { return true }
        if errno == EEXIST { return false }
        throw SystemError("mkdir \(path)", code: errno)
    }

    /// `mkdir -p`
    package static func make(_ path: String) throws(SystemError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += made.isEmpty || made == "/" ? String(part) : "/\(part)"
            if mkdir(made, 0o777) != 0, errno != EEXIST {
                throw SystemError("mkdir \(made)", code: errno)
            }
        }
    }

    /// Locks a directory for as long as the descriptor lives; `nil` where somebody else has it. The lock
    /// counts wherever the directory is seen, in other containers, too.
    package static func lock(_ path: String) throws(SystemError) -> OwnedDescriptor? {
        let directory = OwnedDescriptor(
            try checkedErrno(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open \(path)"))
        if flock(directory.rawValue, LOCK_EX | LOCK_NB) != 0 { return nil }
        return directory
    }

    /// `rm -r`; symbolic links are removed, not followed. No error when there is nothing.
    package static func remove(_ path: String) throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("stat \(path)", code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            try checkedErrno(unlink(path), "unlink \(path)")
            return
        }
        for name in list(path) { try remove("\(path)/\(name)") }
        try checkedErrno(rmdir(path), "rmdir \(path)")
    }

    /// `rmdir`: a directory that holds something, or is none, stays as it is.
    package static func removeIfEmpty(_ path: String) { rmdir(path) }

    /// The names in a directory, sorted.
    package static func list(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// `mv` of a directory, within a file system and onto nothing; `false` when something is there.
    package static func rename(_ path: String, to new: String) throws(SystemError) -> Bool {
        if exists(new) { return false }
        if Glibc.rename(path, new) == 0 { return true }
        // Somebody has just put a directory or a file there.
        if [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno), exists(new) { return false }
        throw SystemError("rename \(path) to \(new)", code: errno)
    }

    /// Where a path leads, symbolic links followed as far as it exists; `nil` where nothing of it does.
    package static func resolved(_ path: String) -> String? {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)
        guard let last = parts.popLast() else { return nil }
        let parent = (path.hasPrefix("/") ? "/" : "./") + parts.joined(separator: "/")
        guard let base = resolved(parent) else { return nil }
        return base == "/" ? "/\(last)" : "\(base)/\(last)"
    }

    /// `ln -sfn TARGET PATH`: never without a link in between.
    package static func link(_ path: String, to target: String) throws(SystemError) {
        // Another process may set the same link now, or another thread of this one.
        let temporary = "\(path).\(getpid())-\(pthread_self()).new"
        unlink(temporary)
        try checkedErrno(symlink(target, temporary), "symlink \(temporary)")
        do {
            try checkedErrno(Glibc.rename(temporary, path), "rename \(temporary) to \(path)")
        } catch {
            unlink(temporary)
            throw error
        }
    }
}
