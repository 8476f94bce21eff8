package import LinuxSystem

/// The kernel's TCP sockets of the calling thread's namespace, as `/proc/net/tcp` lists them.
package enum KernelSockets {
    /// `include/net/tcp_states.h`
    private enum State {
        static let timeWait = 6
        static let close = 7
        static let listen = 10
    }

    /// How many sockets with this port at either end have not ended: their FINs are not exchanged
    /// and acknowledged yet. Sockets in TIME-WAIT have nothing to say any more.
    package static func unfinished(port: UInt16) throws(SystemError) -> Int {
        // /proc/net is that of the process's first thread, which may live elsewhere. A kernel
        // without IPv6 has no second file.
        count(in: try TextFile.read("/proc/thread-self/net/tcp"), port: port)
            + count(in: (try? TextFile.read("/proc/thread-self/net/tcp6")) ?? "", port: port)
    }

    /// Counts in the text of such a file: `sl local:port remote:port state ...`, in hexadecimal.
    package static func count(in text: String, port: UInt16) -> Int {
        text.split(separator: "\n").dropFirst().count { line in
            let fields = line.split(separator: " ")
            guard fields.count > 3, let state = Int(fields[3], radix: 16) else { return false }
            let ports = fields[1...2].compactMap { end in
                end.split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
            }
            return ports.contains(port)
                && ![State.timeWait, State.close, State.listen].contains(state)
        }
    }
}
