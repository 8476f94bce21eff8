import Glibc
import LinuxSystem

/// Writes the image that a Linux kernel unpacks into memory before it starts `/init`: a cpio archive
/// of the kind `newc` (Documentation/driver-api/early-userspace/buffer-format.rst). Parents of what is
/// added are made, nothing is added twice.
final class InitialFileSystem {
    private let output: Int32
    private var known: Set<String> = []
    private var inode = 0

    private enum Kind: UInt32 {
        case directory = 0o040755
        case program = 0o100755
        case link = 0o120777
    }

    /// Starts an image at `path`.
    init(at path: String) throws {
        output = try checkedErrno(
            open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600), "create \(path)")
    }

    deinit { close(output) }

    /// An empty directory.
    func addDirectory(_ path: String) throws {
        guard path != "/", known.insert(path).inserted else { return }
        try addParent(of: path)
        try writeHeader(path, .directory, length: 0)
    }

    /// A file with this text, executable.
    func addFile(_ path: String, text: String) throws {
        guard known.insert(path).inserted else { return }
        try addParent(of: path)
        let bytes = Array(text.utf8)
        try writeHeader(path, .program, length: bytes.count)
        try write(bytes)
        try pad(bytes.count)
    }

    /// A copy of the file at `source`, executable. A symbolic link is followed.
    func addFile(_ path: String, from source: String) throws {
        guard known.insert(path).inserted else { return }
        try addParent(of: path)
        let file = OwnedDescriptor(
            try checkedErrno(open(source, O_RDONLY | O_CLOEXEC), "open \(source)"))
        var status = stat()
        try checkedErrno(fstat(file.rawValue, &status), "stat \(source)")
        let length = Int(status.st_size)
        try writeHeader(path, .program, length: length)
        var copied = 0
        while case let part = try file.read(upTo: 1 << 20), !part.isEmpty {
            try write(part)
            copied += part.count
        }
        guard copied == length else {
            throw SystemError("copy \(source), which changes", code: EIO)
        }
        try pad(length)
    }

    /// A symbolic link.
    func addLink(_ path: String, to target: String) throws {
        guard known.insert(path).inserted else { return }
        try addParent(of: path)
        let bytes = Array(target.utf8)
        try writeHeader(path, .link, length: bytes.count)
        try write(bytes)
        try pad(bytes.count)
    }

    /// A directory with all that is below it.
    func addTree(_ path: String, from source: String) throws {
        try addDirectory(path)
        for name in Directory.list(source) {
            var status = stat()
            try checkedErrno(lstat("\(source)/\(name)", &status), "stat \(source)/\(name)")
            if status.st_mode & S_IFMT == S_IFDIR {
                try addTree("\(path)/\(name)", from: "\(source)/\(name)")
            } else {
                try addFile("\(path)/\(name)", from: "\(source)/\(name)")
            }
        }
    }

    /// A program under its own path, with the shared libraries it asks for.
    func addProgram(_ program: String) throws {
        try addFile(program, from: program)
        let listed = try ChildProcess.run("ldd", [program])
        for line in listed.output.split(separator: "\n") {
            // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, `/lib64/ld-linux... (0x...)`
            guard !line.contains("not found") else {
                throw SystemError("\(program) needs \(line)", code: ENOENT)
            }
            if let library = line.split(separator: " ").first(where: { $0.contains("/") }) {
                let path = String(library.drop { $0.isWhitespace })
                try addFile(path, from: path)
            }
        }
    }

    /// Ends the image.
    func finish() throws {
        try writeHeader("TRAILER!!!", nil, length: 0)
    }

    private func addParent(of path: String) throws {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        try addDirectory(String(path[..<slash]))
    }

    private func writeHeader(_ path: String, _ kind: Kind?, length: Int) throws {
        let name = Array(path.drop { $0 == "/" }.utf8) + [0]
        inode += 1
        let fields: [Int] = [
            inode, Int(kind?.rawValue ?? 0), 0, 0, 1, 0, length, 0, 0, 0, 0, name.count, 0,
        ]
        var text = "070701"
        for field in fields {
            let digits = String(field, radix: 16)
            text += String(repeating: "0", count: 8 - digits.count) + digits
        }
        try write(Array(text.utf8) + name)
        try pad(text.utf8.count + name.count)
    }

    /// Everything starts at a multiple of four.
    private func pad(_ length: Int) throws {
        try write([UInt8](repeating: 0, count: (4 - length % 4) % 4))
    }

    private func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            rest = rest.dropFirst(try checkedErrno(count, "write image"))
        }
    }
}
