internal import CLinux
internal import Glibc

/// Network namespaces for a user without privileges: this process moves into a user, mount and
/// network namespace of its own, in which it may do everything that a testbed needs.
package enum UserNamespace {
    /// Moves the calling process. It must not have started a thread yet, or the kernel refuses
    /// (user_namespaces(7)); everything it starts later lives there too.
    ///
    /// `/run` becomes an empty file system that only this process and its children see, so that
    /// namespaces can have names as `ip netns` gives them; `/sys` shows the new network namespace.
    package static func enter() throws(SystemError) {
        let user = getuid()
        let group = getgid()
        try checked(
            clinux_unshare(
                Int32(CLINUX_NEWUSER) | Int32(CLINUX_NEWNET) | Int32(CLINUX_NEWNS)),
            "unshare user, network and mount namespaces")
        // Without this the kernel lets nobody without privileges map groups.
        try TextFile.write("deny", to: "/proc/self/setgroups")
        try TextFile.write("0 \(user) 1", to: "/proc/self/uid_map")
        try TextFile.write("0 \(group) 1", to: "/proc/self/gid_map")
        try checked(clinux_mount_private(), "mount --make-rprivate /")
        try checked(clinux_mount_tmpfs("/run"), "mount tmpfs on /run")
        // Not essential: only tools that look for devices under /sys/class/net miss it.
        _ = clinux_mount_sysfs()
    }

    /// Whether a path, which need not be there yet, leads below `/run`. A relative one still leads where
    /// it did after `enter`.
    package static func covers(_ path: String) -> Bool {
        guard path.hasPrefix("/"), let place = Directory.resolved(path) else { return false }
        return place == "/run" || place.hasPrefix("/run/")
    }

    /// Whether this process lives in a user namespace that is not the machine's first.
    package static var isInside: Bool {
        guard let map = try? TextFile.read("/proc/self/uid_map") else { return false }
        return map.split { $0 == " " || $0 == "\n" }.map(String.init) != ["0", "0", "4294967295"]
    }
}
