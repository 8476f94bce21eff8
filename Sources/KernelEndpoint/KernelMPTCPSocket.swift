internal import CLinux
internal import Glibc
package import LinuxSystem
package import NetworkPrimitives
internal import Synchronization

/// What a socket is told before it connects or listens.
package struct KernelSocketOptions: Hashable, Sendable {
    /// `TCP_CONGESTION`; `nil` leaves the namespace's default. In a namespace that is not the first
    /// the sysctl may be refused, the socket option is not (kernel-baseline.md, 6.17).
    package var congestionControl: String?
    /// False makes plain TCP: the control of an experiment.
    package var usesMPTCP = true
    /// `TCP_NODELAY`: records leave when they are written.
    package var sendsAtOnce = true
    /// `SO_SNDBUF` and `SO_RCVBUF`; `nil` leaves the kernel to tune them.
    package var sendBuffer: Int?
    package var receiveBuffer: Int?
    /// `TCP_FASTOPEN` of a listener, `TCP_FASTOPEN_CONNECT` of a client: the first SYN may carry data.
    package var fastOpen = false

    package init() {}
}

/// A socket of the kernel's MPTCP, never blocking, in the namespace of the thread that opened it.
package final class KernelMPTCPSocket {
    package let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// What `read` found.
    package enum ReadResult: Hashable, Sendable {
        case bytes(Int)
        case nothingNow
        /// The peer finished writing.
        case end
    }

    // MARK: Opening

    /// A listener; on `::` it takes IPv4, too.
    package static func listening(
        on local: Endpoint, options: KernelSocketOptions, backlog: Int32 = 128
    ) throws(SystemError) -> KernelMPTCPSocket {
        let socket = try open(isV6: local.address.isV6, options: options)
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR")
        if local.address.isV6 {
            try socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0, "IPV6_V6ONLY")
        }
        try socket.bind(to: local)
        if options.fastOpen {
            try socket.set(
                Int32(IPPROTO_TCP), Int32(CLINUX_TCP_FASTOPEN), Int(backlog), "TCP_FASTOPEN")
        }
        try checkedErrno(Glibc.listen(socket.rawValue, backlog), "listen \(local)")
        return socket
    }

    /// Starts to connect; it is connected when it becomes writable and `pendingError` is `nil`.
    package static func connecting(
        from local: IPAddress?, to remote: Endpoint, options: KernelSocketOptions
    ) throws(SystemError) -> KernelMPTCPSocket {
        let socket = try open(isV6: remote.address.isV6, options: options)
        if let local { try socket.bind(to: Endpoint(local, 0)) }
        if options.fastOpen {
            try socket.set(
                Int32(IPPROTO_TCP), Int32(CLINUX_TCP_FASTOPEN_CONNECT), 1, "TCP_FASTOPEN_CONNECT")
        }
        let result = SocketAddress(remote).withPointer {
            Glibc.connect(socket.rawValue, $0, $1)
        }
        if result != 0, errno != EINPROGRESS {
            throw SystemError("connect \(remote)", code: errno)
        }
        return socket
    }

    private static func open(
        isV6: Bool, options: KernelSocketOptions
    ) throws(SystemError) -> KernelMPTCPSocket {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = options.usesMPTCP ? Int32(CLINUX_IPPROTO_MPTCP) : Int32(IPPROTO_TCP)
        let name = options.usesMPTCP ? "MPTCP" : "TCP"
        let descriptor = try checkedErrno(
            Glibc.socket(isV6 ? AF_INET6 : AF_INET, type, number), "\(name) socket")
        let socket = KernelMPTCPSocket(OwnedDescriptor(descriptor))
        if options.sendsAtOnce { try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, "TCP_NODELAY") }
        if let size = options.sendBuffer {
            try socket.set(SOL_SOCKET, SO_SNDBUF, size, "SO_SNDBUF")
        }
        if let size = options.receiveBuffer {
            try socket.set(SOL_SOCKET, SO_RCVBUF, size, "SO_RCVBUF")
        }
        if let name = options.congestionControl { try socket.setCongestionControl(name) }
        return socket
    }

    /// The next connection, `nil` if there is none now.
    package func accept() throws(SystemError) -> (socket: KernelMPTCPSocket, peer: Endpoint?)? {
        var address = SocketAddress()
        let result = address.withMutablePointer { Glibc.accept(rawValue, $0, $1) }
        if result < 0 {
            if errno == EAGAIN || errno == ECONNABORTED || errno == EINTR { return nil }
            throw SystemError("accept", code: errno)
        }
        let socket = KernelMPTCPSocket(OwnedDescriptor(result))
        try checkedErrno(
            fcntl(result, F_SETFL, fcntl(result, F_GETFL) | O_NONBLOCK), "fcntl O_NONBLOCK")
        try checkedErrno(fcntl(result, F_SETFD, FD_CLOEXEC), "fcntl FD_CLOEXEC")
        try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, "TCP_NODELAY")
        return (socket, address.endpoint)
    }

    // MARK: Bytes

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> ReadResult
    {
        let count = Glibc.read(rawValue, buffer.baseAddress, buffer.count)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        if errno == EAGAIN || errno == EINTR { return .nothingNow }
        throw SystemError("read", code: errno)
    }

    /// How many octets the kernel took; 0 when it takes none now.
    package func write(_ buffer: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        let count = Glibc.send(
            rawValue, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return count }
        // EINPROGRESS: there was no cookie, so the SYN of a Fast Open took nothing.
        if errno == EAGAIN || errno == EINTR || errno == EINPROGRESS { return 0 }
        throw SystemError("write", code: errno)
    }

    /// Ends this direction: DATA_FIN.
    package func finishWriting() throws(SystemError) {
        try checkedErrno(shutdown(rawValue, Int32(SHUT_WR)), "shutdown")
    }

    /// Makes the close that follows an abort: MP_FASTCLOSE and RST.
    package func abortOnClose() {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(
            rawValue, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    // MARK: Queries

    package var rawValue: Int32 { descriptor.rawValue }

    /// Takes the error of a connection attempt.
    package var pendingError: SystemError? {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(rawValue, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
            return SystemError("SO_ERROR", code: errno)
        }
        return code == 0 ? nil : SystemError("connect", code: code)
    }

    /// Whether it still is MPTCP: false on plain TCP and after a fallback.
    package var isMPTCP: Bool {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(
            rawValue, Int32(IPPROTO_TCP), Int32(CLINUX_TCP_IS_MPTCP), &value, &length) == 0
            && value == 1
    }

    /// `MPTCP_INFO`; `nil` on plain TCP and after a fallback.
    package var information: MPTCPInformation? {
        var bytes = [UInt8](repeating: 0, count: MPTCPInformation.length)
        var length = socklen_t(bytes.count)
        guard
            getsockopt(
                rawValue, Int32(CLINUX_SOL_MPTCP), Int32(CLINUX_MPTCP_INFO), &bytes, &length) == 0
        else { return nil }
        return MPTCPInformation(Array(bytes.prefix(Int(length))))
    }

    /// Name of the congestion control in use.
    package var congestionControl: String? {
        var bytes = [UInt8](repeating: 0, count: 16)
        var length = socklen_t(bytes.count)
        guard
            getsockopt(
                rawValue, Int32(IPPROTO_TCP), Int32(CLINUX_TCP_CONGESTION), &bytes, &length) == 0
        else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    package var localEndpoint: Endpoint? {
        var address = SocketAddress()
        let result = address.withMutablePointer { getsockname(rawValue, $0, $1) }
        return result == 0 ? address.endpoint : nil
    }

    // MARK: Options

    /// An MPTCP socket without subflow takes any name, and its subflows then keep the default: a
    /// plain TCP socket says whether the name is known.
    private func setCongestionControl(_ name: String) throws(SystemError) {
        if !Self.knownControls.withLock({ $0.contains(name) }) {
            let probe = OwnedDescriptor(
                try checkedErrno(
                    Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), Int32(IPPROTO_TCP)),
                    "socket"))
            try Self.setCongestionControl(name, on: probe.rawValue)
            Self.knownControls.withLock { _ = $0.insert(name) }
        }
        try Self.setCongestionControl(name, on: rawValue)
    }

    /// Asked once for each name: one of many connections is not to cost two sockets.
    private static let knownControls = Mutex<Set<String>>([])

    private static func setCongestionControl(
        _ name: String, on socket: Int32
    ) throws(SystemError) {
        try checkedErrno(
            setsockopt(
                socket, Int32(IPPROTO_TCP), Int32(CLINUX_TCP_CONGESTION), name,
                socklen_t(name.utf8.count)), "congestion control \(name)")
    }

    private func set(
        _ level: Int32, _ option: Int32, _ value: Int, _ name: String
    ) throws(SystemError) {
        var number = Int32(clamping: value)
        try checkedErrno(
            setsockopt(rawValue, level, option, &number, socklen_t(MemoryLayout<Int32>.size)), name)
    }

    private func bind(to local: Endpoint) throws(SystemError) {
        try checkedErrno(
            SocketAddress(local).withPointer { Glibc.bind(rawValue, $0, $1) }, "bind \(local)")
    }
}
