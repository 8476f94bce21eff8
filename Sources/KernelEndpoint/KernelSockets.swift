package import LinuxSystem
package import NetworkPrimitives

/// The kernel's TCP sockets of the calling thread's namespace, as `/proc/net/tcp` lists them.
package enum KernelSockets {
    /// `include/net/tcp_states.h`
    private enum State {
        static let established = 1
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

    /// Where the established connections to this port of a peer come from.
    package static func localAddresses(connectedTo port: UInt16) throws(SystemError) -> [IPAddress]
    {
        localAddresses(in: try TextFile.read("/proc/thread-self/net/tcp"), connectedTo: port)
            + localAddresses(
                in: (try? TextFile.read("/proc/thread-self/net/tcp6")) ?? "", connectedTo: port)
    }

    /// The same in the text of such a file.
    package static func localAddresses(in text: String, connectedTo port: UInt16) -> [IPAddress] {
        text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 3, Int(fields[3], radix: 16) == State.established else {
                return nil
            }
            let local = fields[1].split(separator: ":")
            let remote = fields[2].split(separator: ":")
            guard local.count == 2, remote.count == 2, UInt16(remote[1], radix: 16) == port else {
                return nil
            }
            return address(local[0])
        }
    }

    /// Words of 32 bits as this machine stores them: little-endian wherever this program runs.
    private static func address(_ text: Substring) -> IPAddress? {
        let digits = Array(text)
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count, by: 8) {
            guard let word = UInt32(String(digits[start..<min(start + 8, digits.count)]), radix: 16)
            else { return nil }
            withUnsafeBytes(of: word) { bytes += $0 }
        }
        return IPAddress(bytes: bytes)
    }
}
