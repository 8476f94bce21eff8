internal import Glibc

/// Directories, as far as results need them.
package enum Directory {
    /// Whether something is there, a dangling symbolic link included.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
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

    /// `mv`, within a file system and onto nothing.
    package static func rename(_ path: String, to new: String) throws(SystemError) {
        if exists(new) { throw SystemError("rename \(path) to \(new)", code: EEXIST) }
        try checkedErrno(Glibc.rename(path, new), "rename \(path) to \(new)")
    }

    /// `ln -sfn TARGET PATH`: never without a link in between.
    package static func link(_ path: String, to target: String) throws(SystemError) {
        let temporary = path + ".new"
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
