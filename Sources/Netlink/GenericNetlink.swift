internal import CNetlinkRoute
internal import Glibc
package import LinuxSystem

/// A family of generic netlink, spoken to by one request at a time.
package final class GenericNetlink {
    private let socket: NetlinkSocket
    private let family: Int
    private let version: UInt8

    /// Finds the family in the calling thread's namespace.
    package convenience init(family name: String, version: UInt8) throws(SystemError) {
        let socket: NetlinkSocket
        do {
            socket = try NetlinkSocket(NETLINK_GENERIC)
        } catch {
            throw SystemError("generic netlink", code: error.code)
        }
        let control = GenericNetlink(socket, family: Int(GENL_ID_CTRL), version: 1)
        let what = "netlink family \(name)"
        var number: UInt16?
        try control.send(UInt8(CTRL_CMD_GETFAMILY), what) {
            $0.put(CTRL_ATTR_FAMILY_NAME, name)
        } onReply: { attributes in
            for attribute in attributes where Int(attribute.type) == CTRL_ATTR_FAMILY_ID {
                number = attribute.number()
            }
        }
        guard let number else { throw SystemError(what, code: ENOENT) }
        self.init(socket, family: Int(number), version: version)
    }

    private init(_ socket: NetlinkSocket, family: Int, version: UInt8) {
        self.socket = socket
        self.family = family
        self.version = version
    }

    /// Sends a request with the attributes that `build` puts into it; `onReply` sees those of each
    /// reply, which are there until it returns.
    package func send(
        _ command: UInt8, isDump: Bool = false, _ what: String,
        _ build: (NetlinkRequest) -> Void = { _ in },
        onReply: (AttributeReader) -> Void = { _ in }
    ) throws(SystemError) {
        let header = genlmsghdr(cmd: command, version: version, reserved: 0)
        // 0x300: NLM_F_ROOT | NLM_F_MATCH.
        let request = NetlinkRequest(family, flags: isDump ? 0x300 : 0, header)
        build(request)
        do {
            try socket.execute(request, what) {
                onReply($0.attributes(after: MemoryLayout<genlmsghdr>.size))
            }
        } catch {
            throw SystemError(error.command, code: error.code)
        }
    }
}
