internal import CLinux
internal import Glibc

/// A network namespace, held by a descriptor: it lives on while this object does, even when its
/// name is deleted.
package final class NetworkNamespace: Sendable {
    /// Where `ip netns` keeps names.
    package static let directory = "/run/netns"

    /// For messages; the name under `directory` where it has one.
    package let name: String
    package let descriptor: OwnedDescriptor

    private init(name: String, descriptor: consuming OwnedDescriptor) {
        self.name = name
        self.descriptor = descriptor
    }

    /// The namespace behind a file such as `/proc/1/ns/net`.
    package convenience init(path: String, name: String? = nil) throws(SystemError) {
        let file = try checkedErrno(open(path, O_RDONLY | O_CLOEXEC), "open \(path)")
        self.init(name: name ?? path, descriptor: OwnedDescriptor(file))
    }

    /// A namespace that `ip netns list` shows.
    package convenience init(named name: String) throws(SystemError) {
        try Self.check(name)
        try self.init(path: "\(Self.directory)/\(name)", name: name)
    }

    /// The namespace of a process.
    package convenience init(processID: Int32) throws(SystemError) {
        try self.init(path: "/proc/\(processID)/ns/net", name: "pid \(processID)")
    }

    /// The namespace of the calling thread.
    package static func current() throws(SystemError) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/thread-self/ns/net", name: "current")
    }

    /// The inode number: equal for two descriptors of one namespace.
    package func identity() throws(SystemError) -> UInt64 {
        var status = stat()
        try checkedErrno(fstat(descriptor.rawValue, &status), "fstat \(name)")
        return UInt64(status.st_ino)
    }

    private static func check(_ name: String) throws(SystemError) {
        guard !name.isEmpty, name != ".", name != "..", name.utf8.count < 256,
            !name.contains("/"), !name.contains("\0")
        else { throw SystemError("namespace name '\(name)'", code: EINVAL) }
    }

    /// `ip netns add NAME`. The new namespace has a loopback interface that is down.
    package static func create(named name: String) throws(SystemError) -> NetworkNamespace {
        try check(name)
        try prepareDirectory()
        let path = "\(directory)/\(name)"
        let file = try checkedErrno(
            open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0), "create \(path)")
        Glibc.close(file)
        do {
            try NamespaceThread.onFreshThread {
                try checked(clinux_unshare(Int32(CLINUX_NEWNET)), "unshare")
                try checked(
                    clinux_bind_mount("/proc/thread-self/ns/net", path), "bind mount \(path)")
            }
            return try NetworkNamespace(named: name)
        } catch {
            try? delete(named: name)
            throw error as? SystemError ?? SystemError("create \(path)", code: ECANCELED)
        }
    }

    /// Several namespaces, in this order, or none of them.
    package static func create(named names: [String]) throws(SystemError) -> [NetworkNamespace] {
        var made: [NetworkNamespace] = []
        do throws(SystemError) {
            for name in names { made.append(try create(named: name)) }
        } catch {
            for namespace in made { try? delete(named: namespace.name) }
            throw error
        }
        return made
    }

    /// As `ip netns` does it, so that the names of both show in every mount namespace.
    private static func prepareDirectory() throws(SystemError) {
        if mkdir(directory, 0o755) != 0, errno != EEXIST {
            throw SystemError("mkdir \(directory)", code: errno)
        }
        // `ip` and other runs of ours do the same at the same time; a lock makes it one step.
        let lock = OwnedDescriptor(
            try checkedErrno(
                open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open \(directory)"))
        try checkedErrno(flock(lock.rawValue, LOCK_EX), "lock \(directory)")
        try checked(clinux_mount_shared(directory), "mount --make-shared \(directory)")
    }

    /// `ip netns delete NAME`. No error when there is none. The namespace itself ends with its
    /// last process, descriptor and socket.
    package static func delete(named name: String) throws(SystemError) {
        try check(name)
        let path = "\(directory)/\(name)"
        let result = clinux_unmount(path)
        if result < 0, result != -EINVAL, result != -ENOENT {
            throw SystemError("umount \(path)", code: -result)
        }
        if unlink(path) != 0, errno != ENOENT {
            throw SystemError("unlink \(path)", code: errno)
        }
    }

    /// `ip netns list`, sorted.
    package static func list() -> [String] {
        Directory.list(directory)
    }
}
