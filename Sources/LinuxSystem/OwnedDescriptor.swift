internal import CLinux
internal import Glibc

/// A file descriptor that is closed when its owner goes.
package struct OwnedDescriptor: ~Copyable, Sendable {
    package let rawValue: Int32

    package init(_ rawValue: Int32) { self.rawValue = rawValue }

    deinit { close(rawValue) }

    /// Gives the descriptor away: whoever takes it closes it.
    package consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }

    /// Reads once, up to `count` octets; empty at the end of the file.
    package func read(upTo count: Int = 65_536) throws(SystemError) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let result = Glibc.read(rawValue, buffer.baseAddress, count)
            code = result < 0 ? errno : 0
            filled = max(result, 0)
        }
        if code != 0 { throw SystemError("read", code: code) }
        return bytes
    }

    /// Reads what is there now; `nil` when there is nothing, empty at the end of the file.
    /// The descriptor must not block.
    package func readAvailable(upTo count: Int = 65_536) throws(SystemError) -> [UInt8]? {
        do {
            return try read(upTo: count)
        } catch  where error.code == EAGAIN {
            return nil
        }
    }

    /// `O_NONBLOCK`
    package func setNonBlocking() throws(SystemError) {
        let flags = try checkedErrno(fcntl(rawValue, F_GETFL), "fcntl F_GETFL")
        try checkedErrno(fcntl(rawValue, F_SETFL, flags | O_NONBLOCK), "fcntl F_SETFL")
    }

    /// Writes all of it.
    package func write(_ bytes: some Sequence<UInt8>) throws(SystemError) {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
            rest = rest.dropFirst(try checkedErrno(count, "write"))
        }
    }
}

/// A pipe; both ends are closed on exec.
package struct Pipe: ~Copyable, Sendable {
    package let readEnd: OwnedDescriptor
    package let writeEnd: OwnedDescriptor

    package init() throws(SystemError) {
        var ends: [Int32] = [0, 0]
        try checked(clinux_pipe(&ends), "pipe")
        readEnd = OwnedDescriptor(ends[0])
        writeEnd = OwnedDescriptor(ends[1])
    }

    /// Keeps the read end and closes the other, which a child process has by now.
    package consuming func keepingReadEnd() -> OwnedDescriptor { readEnd }

    /// Keeps the write end and closes the other, which a child process has by now.
    package consuming func keepingWriteEnd() -> OwnedDescriptor { writeEnd }
}

/// An anonymous file in memory: what goes into a program and comes out of it without the dead
/// locks of pipes.
package struct MemoryFile: ~Copyable, Sendable {
    package let descriptor: OwnedDescriptor

    /// A file that holds `text`, positioned at its start.
    package init(_ text: String = "") throws(SystemError) {
        let file = OwnedDescriptor(try checked(clinux_memory_file(), "memfd_create"))
        try file.write(text.utf8)
        lseek(file.rawValue, 0, SEEK_SET)
        descriptor = file
    }

    /// The whole content.
    package func text() throws(SystemError) -> String {
        lseek(descriptor.rawValue, 0, SEEK_SET)
        var bytes: [UInt8] = []
        while true {
            let part = try descriptor.read()
            if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += part
        }
    }
}
