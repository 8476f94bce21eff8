internal import CLinux
internal import Glibc

/// What a process has used.
package enum ProcessResources {
    /// Time that this process has spent on a processor, in its own code and in the kernel.
    package static func processorTime() -> Duration {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return .zero }
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    /// Octets of memory of this process, or of another one, that are not on disk; `nil` when it is
    /// gone.
    package static func residentBytes(of processID: Int32? = nil) -> Int? {
        let name = processID.map { "\($0)" } ?? "self"
        guard let text = try? TextFile.read("/proc/\(name)/statm"),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Octets that the kernel itself uses for its objects: `Slab` of /proc/meminfo.
    package static func kernelObjectBytes() -> Int? {
        guard let text = try? TextFile.read("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("Slab:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                .map { $0 * 1_024 }
        }
        return nil
    }

    /// Lets this process open as many descriptors as it may.
    package static func raiseDescriptorLimit() throws(SystemError) {
        try checked(clinux_raise_descriptor_limit(), "setrlimit RLIMIT_NOFILE")
    }
}
