internal import Glibc

/// Whole text files.
package enum TextFile {
    package static func read(_ path: String) throws(SystemError) -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }

    /// The octets of a file, text or not.
    package static func bytes(_ path: String) throws(SystemError) -> [UInt8] {
        let file = OwnedDescriptor(
            try checkedErrno(open(path, O_RDONLY | O_CLOEXEC), "open \(path)"))
        var bytes: [UInt8] = []
        do {
            while true {
                let part = try file.read()
                if part.isEmpty { return bytes }
                bytes += part
            }
        } catch {
            throw SystemError("read \(path)", code: error.code)
        }
    }

    /// Replaces a file's content.
    package static func write(_ text: String, to path: String) throws(SystemError) {
        let file = try create(path)
        try file.write(text.utf8)
    }

    /// Opens an empty file of this name for writing.
    package static func create(_ path: String) throws(SystemError) -> OwnedDescriptor {
        OwnedDescriptor(
            try checkedErrno(
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), "open \(path)"))
    }

    /// Opens a file of this name for writing behind what it holds, if anything, and locks it; `nil`
    /// where somebody else has done so.
    package static func appendAlone(_ path: String) throws(SystemError) -> OwnedDescriptor? {
        let file = OwnedDescriptor(
            try checkedErrno(
                open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644), "open \(path)"))
        if flock(file.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return nil }
        return file
    }

    /// Keeps the first octets of a file.
    package static func cut(
        _ file: borrowing OwnedDescriptor, to length: Int
    ) throws(SystemError) {
        try checkedErrno(ftruncate(file.rawValue, off_t(length)), "ftruncate")
    }

    /// Replaces a file in one step: nobody ever sees half of it. A failure leaves nothing new.
    package static func replace(_ path: String, with text: String) throws(SystemError) {
        // Another process may replace the same file now, or another thread of this one.
        let temporary = "\(path).\(getpid())-\(pthread_self()).tmp"
        do {
            try write(text, to: temporary)
            try checkedErrno(rename(temporary, path), "rename \(temporary)")
        } catch {
            unlink(temporary)
            throw error
        }
    }
}
