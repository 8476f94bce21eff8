internal import CNetlinkRoute
internal import Glibc
package import LinuxSystem
internal import NetworkPrimitives

/// Route netlink of one network namespace, as typed verbs. Every verb has the command of `ip` or
/// `tc` that does the same in its comment and in its errors.
///
/// Holds one socket that was opened in the namespace; may be used from any thread, one at a time.
package final class RouteController {
    let socket: NetlinkSocket

    /// Opens a socket in `namespace`, or in that of the calling thread.
    package init(in namespace: NetworkNamespace? = nil) throws(NetlinkError) {
        socket = try NetlinkSocket(in: namespace)
    }

    /// Sends what a builder of libnl-route made.
    func execute(
        _ command: @autoclosure () -> String, _ build: (inout OpaquePointer?) -> Int32
    ) throws(NetlinkError) {
        try socket.execute(try request(command(), build), command())
    }

    /// What a builder of libnl-route makes; a negative result of the builder is an error.
    func request(
        _ command: @autoclosure () -> String, _ build: (inout OpaquePointer?) -> Int32
    ) throws(NetlinkError) -> NetlinkRequest {
        var message: OpaquePointer?
        let result = build(&message)
        guard result >= 0, let message else {
            throw NetlinkError(
                command(), code: EINVAL, message: String(cString: nl_geterror(result)))
        }
        return NetlinkRequest(message)
    }

    /// All records of one kind, in the kernel's order.
    func dump<Header: BitwiseCopyable, Record>(
        _ type: Int, _ header: Header, _ command: @autoclosure () -> String,
        _ parse: (NetlinkMessage) -> Record?
    ) throws(NetlinkError) -> [Record] {
        // 0x300: NLM_F_ROOT | NLM_F_MATCH.
        let request = NetlinkRequest(type, flags: 0x300, header)
        var records: [Record] = []
        try socket.execute(request, command()) { message in
            if let record = parse(message) { records.append(record) }
        }
        return records
    }
}
