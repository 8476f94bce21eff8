internal import CLinux
internal import Glibc
internal import NetworkPrimitives

/// A process that this one did not start. Held by a descriptor, so that it is never mistaken for a later
/// one with the same number.
package struct ForeignProcess: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor
    private let processID: Int32

    /// The process of this identity; an error when it has ended.
    package init(_ identity: ProcessIdentity) throws(SystemError) {
        let call = "pidfd_open \(identity.processID)"
        let opened = OwnedDescriptor(try checked(clinux_pidfd_open(identity.processID), call))
        // Between its death and the call another one may have got the number.
        guard identity.isAlive else { throw SystemError(call, code: ESRCH) }
        descriptor = opened
        processID = identity.processID
    }

    /// Sends a signal; an error when it has ended.
    package func signal(_ number: Int32) throws(SystemError) {
        try checked(
            clinux_pidfd_send_signal(descriptor.rawValue, number),
            "signal \(number) to \(processID)")
    }

    /// Waits until it has ended; `false` when the time is over before.
    package func awaitEnd(within limit: Duration) throws(SystemError) -> Bool {
        let poll = try EventPoll()
        try poll.add(descriptor.rawValue, token: 0)
        let deadline = MonotonicClock.now() + limit
        while MonotonicClock.now() < deadline {
            if try !poll.wait(until: deadline).isEmpty { return true }
        }
        return false
    }
}

/// This process becoming another program, or moving.
package enum ThisProcess {
    /// Becomes a program, in a namespace; the terminal, the directory and the environment stay.
    /// Call on the main thread.
    package static func become(
        _ program: String, _ arguments: [String], in namespace: NetworkNamespace
    ) throws(SystemError) -> Never {
        let path = try Executable.find(program)
        try checked(
            clinux_setns(namespace.descriptor.rawValue, Int32(CLINUX_NEWNET)),
            "setns \(namespace.name)")
        // What this process ignores, the program would, too.
        Glibc.signal(SIGPIPE, SIG_DFL)
        var pointers: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        pointers.append(nil)
        execv(path, pointers)
        let code = errno
        throw SystemError("exec \(path)", code: code)
    }

    /// Moves into the user and mount namespace of a process, if it is another one, so that its named
    /// network namespaces are seen. No other thread may have been started.
    package static func joinMounts(of processID: Int32) throws(SystemError) {
        let own = try NetworkNamespace(path: "/proc/self/ns/user")
        let theirs = try NetworkNamespace(path: "/proc/\(processID)/ns/user")
        if try own.identity() == theirs.identity() { return }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let directory = getcwd(&buffer, buffer.count)
        let mounts = try NetworkNamespace(path: "/proc/\(processID)/ns/mnt")
        try checked(
            clinux_setns(theirs.descriptor.rawValue, Int32(CLINUX_NEWUSER)),
            "setns \(theirs.name)")
        try checked(
            clinux_setns(mounts.descriptor.rawValue, Int32(CLINUX_NEWNS)),
            "setns \(mounts.name)")
        // The kernel moved this process to the root directory.
        if let directory { _ = chdir(directory) }
    }

    /// Leaves the terminal: a session of its own, and /dev/null for all streams.
    package static func detach() throws(SystemError) {
        setsid()
        Glibc.signal(SIGHUP, SIG_IGN)
        let null = OwnedDescriptor(
            try checkedErrno(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null"))
        for stream in Int32(0)...2 {
            try checkedErrno(dup2(null.rawValue, stream), "dup2 \(stream)")
        }
    }
}
