internal import CNetlinkRoute
internal import Glibc
internal import LinuxSystem
internal import NetworkPrimitives

/// A request being built. Owns its `nl_msg`.
package final class NetlinkRequest {
    let message: OpaquePointer

    /// Takes over a message that libnl-route built.
    init(_ message: OpaquePointer) { self.message = message }

    /// A request of `type` that starts with the fixed structure `header`.
    init<Header: BitwiseCopyable>(_ type: Int, flags: Int32 = 0, _ header: Header) {
        guard let message = nlmsg_alloc_simple(Int32(type), flags) else {
            preconditionFailure("nlmsg_alloc: out of memory")
        }
        self.message = message
        var header = header
        nlmsg_append(message, &header, MemoryLayout<Header>.size, 4)
    }

    deinit { nlmsg_free(message) }

    package func put(_ attribute: Int, _ bytes: [UInt8]) {
        nla_put(message, Int32(attribute), Int32(bytes.count), bytes)
    }
    /// A number in the machine's order, as netlink has it; its type says how many octets.
    package func put(_ attribute: Int, _ value: some FixedWidthInteger & BitwiseCopyable) {
        put(attribute, structure: value)
    }
    package func put(_ attribute: Int, _ string: String) {
        put(attribute, Array(string.utf8) + [0])
    }
    func put<Value: BitwiseCopyable>(_ attribute: Int, structure value: Value) {
        withUnsafeBytes(of: value) { put(attribute, Array($0)) }
    }
    func append<Value: BitwiseCopyable>(_ value: Value) {
        var value = value
        nlmsg_append(message, &value, MemoryLayout<Value>.size, 4)
    }

    /// Puts what `body` puts into one attribute, with NLA_F_NESTED.
    package func nest(_ attribute: Int, _ body: () -> Void) {
        guard let start = nla_nest_start(message, Int32(attribute)) else { return }
        body()
        nla_nest_end(message, start)
    }
}

/// One connected `nl_sock`. The answers are read here and not by libnl, because libnl folds
/// `errno` into fewer codes of its own and drops the kernel's message.
final class NetlinkSocket {
    let socket: OpaquePointer
    private var buffer = [UInt8](repeating: 0, count: 131_072)

    /// Opens it in `namespace`, or in that of the calling thread.
    init(
        _ kind: Int32 = NETLINK_ROUTE, in namespace: NetworkNamespace? = nil
    ) throws(NetlinkError) {
        guard let socket = nl_socket_alloc() else {
            throw NetlinkError("open netlink socket", code: ENOMEM)
        }
        self.socket = socket
        let connect = { nl_connect(socket, kind) }
        let result: Int32
        do {
            if let namespace {
                result = try NamespaceThread.run(in: namespace, connect)
            } else {
                result = connect()
            }
        } catch {
            throw NetlinkError("open netlink socket", error)
        }
        guard result >= 0 else {
            throw NetlinkError(
                "open netlink socket", code: EIO, message: String(cString: nl_geterror(result)))
        }
        var one: Int32 = 1
        // Older kernels lack these: then errors come without words, and requests come back whole.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            setsockopt(descriptor, SOL_NETLINK, option, &one, 4)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { nl_socket_free(socket) }

    var descriptor: Int32 { nl_socket_get_fd(socket) }

    private let SOL_NETLINK: Int32 = 270

    /// Sends a request and waits for its acknowledgement. `onReply` sees the messages before it.
    func execute(
        _ request: NetlinkRequest, _ command: @autoclosure () -> String,
        onReply: (NetlinkMessage) -> Void = { _ in }
    ) throws(NetlinkError) {
        // nl_send_auto fills in port, sequence number, NLM_F_REQUEST and NLM_F_ACK.
        let sent = nl_send_auto(socket, request.message)
        guard sent >= 0, let header = nlmsg_hdr(request.message) else {
            throw NetlinkError(
                command(), code: EIO, message: String(cString: nl_geterror(sent)))
        }
        try awaitAnswer(to: header.pointee.nlmsg_seq, command(), onReply: onReply)
    }

    private func awaitAnswer(
        to sequence: UInt32, _ command: @autoclosure () -> String,
        onReply: (NetlinkMessage) -> Void = { _ in }
    ) throws(NetlinkError) {
        while true {
            let result = try receive(command())
            if let answer = try read(result, sequence, command(), onReply) {
                if answer != 0 { throw NetlinkError(command(), code: answer) }
                return
            }
        }
    }

    /// Sends several requests at once; the kernel carries them out in order, one right behind the
    /// other, and goes on past one that fails. Throws the first error.
    func execute(batch: [(request: NetlinkRequest, command: String)]) throws(NetlinkError) {
        var bytes: [UInt8] = []
        var sequences: [UInt32] = []
        for (request, command) in batch {
            nl_complete_msg(socket, request.message)
            guard let header = nlmsg_hdr(request.message) else {
                throw NetlinkError(command, code: EINVAL)
            }
            sequences.append(header.pointee.nlmsg_seq)
            bytes += UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len))
            bytes += [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        }
        let sent = nl_sendto(socket, &bytes, bytes.count)
        guard sent >= 0 else {
            throw NetlinkError(
                batch.first?.command ?? "", code: EIO,
                message: String(cString: nl_geterror(sent)))
        }
        var failure: NetlinkError?
        for (sequence, entry) in zip(sequences, batch) {
            do {
                try awaitAnswer(to: sequence, entry.command)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private func receive(_ command: @autoclosure () -> String) throws(NetlinkError) -> Int {
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count >= 0 { return count }
            let code = errno
            if code != EINTR { throw NetlinkError(command(), code: code) }
        }
    }

    /// Goes through one datagram; the `errno` that ends the request, or `nil` to read on.
    private func read(
        _ count: Int, _ sequence: UInt32, _ command: @autoclosure () -> String,
        _ onReply: (NetlinkMessage) -> Void
    ) throws(NetlinkError) -> Int32? {
        var failure: NetlinkError?
        let end: Int32? = buffer.withUnsafeBytes { bytes in
            var rest = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            while let message = NetlinkMessage.next(in: &rest) {
                // An answer to a request that was given up.
                guard message.sequence == sequence else { continue }
                switch Int32(message.type) {
                case NLMSG_DONE:
                    return 0
                case NLMSG_ERROR:
                    let code = -(message.header(Int32.self) ?? -EIO)
                    if code != 0 {
                        failure = NetlinkError(
                            command(), code: code, message: Self.words(of: message))
                    }
                    return 0
                default:
                    onReply(message)
                }
            }
            return nil
        }
        if let failure { throw failure }
        return end
    }

    /// The extended acknowledgement's text.
    private static func words(of message: NetlinkMessage) -> String? {
        // NLM_F_ACK_TLVS; behind errno stands the request's header, and unless NLM_F_CAPPED its
        // payload.
        guard message.flags & 0x200 != 0, message.payload.count >= 20 else { return nil }
        var offset = 20
        if message.flags & 0x100 == 0 {
            let length = message.payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            offset = 4 + (Int(length) + 3) & ~3
        }
        for attribute in AttributeReader(message.payload, from: offset) where attribute.type == 1 {
            return attribute.string
        }
        return nil
    }
}

/// An `nl_addr` for the time of a call.
func withNetlinkAddress<Result>(
    _ address: IPAddress, prefixLength: Int? = nil, _ body: (OpaquePointer) -> Result
) -> Result {
    withNetlinkAddress(
        family: address.isV6 ? AF_INET6 : AF_INET, address.bytes, prefixLength: prefixLength, body)
}

func withNetlinkAddress<Result>(
    family: Int32, _ bytes: [UInt8], prefixLength: Int?, _ body: (OpaquePointer) -> Result
) -> Result {
    guard let built = nl_addr_build(family, bytes, bytes.count) else {
        preconditionFailure("nl_addr_build: out of memory")
    }
    defer { nl_addr_put(built) }
    if let prefixLength { nl_addr_set_prefixlen(built, Int32(prefixLength)) }
    return body(built)
}
