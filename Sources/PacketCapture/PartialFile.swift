internal import Glibc
internal import LinuxSystem

/// A file that bears its name only once it is whole; until then it is `NAME.partial`.
enum PartialFile {
    /// Octets that are gathered before they are written.
    private static let bufferSize = 1 << 18

    private static func partialName(_ path: String) -> String { path + ".partial" }

    /// Opens the file under its first name, empty.
    static func open(_ path: String) throws(CaptureError) -> UnsafeMutablePointer<FILE> {
        guard let file = fopen(partialName(path), "wbe") else {
            throw CaptureError(.unwritable, path, SystemError.text(of: errno))
        }
        setvbuf(file, nil, _IOFBF, bufferSize)
        return file
    }

    /// Gives the file, which is closed, its name; or removes it because of what its writing met.
    static func commit(_ path: String, failure: Int32?) throws(CaptureError) {
        let partial = partialName(path)
        var code = failure
        if code == nil, rename(partial, path) != 0 { code = errno }
        guard let code else { return }
        unlink(partial)
        throw CaptureError(.unwritable, path, SystemError.text(of: code))
    }

    /// Leaves nothing behind.
    static func discard(_ path: String) { unlink(partialName(path)) }
}
