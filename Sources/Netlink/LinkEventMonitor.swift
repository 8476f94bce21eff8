internal import CNetlinkRoute
internal import Glibc
package import LinuxSystem
package import NetworkPrimitives

/// Something that changed in a namespace: a line of `ip monitor`.
package enum LinkEvent: Hashable, Sendable {
    /// A link is new, or one of its flags or properties changed.
    ///
    /// The link's own `down` comes at once. That the *peer* of a veth went down (carrier) is reported
    /// by the kernel 0.7 to 1 s late.
    case linkChanged(LinkInformation)
    case linkRemoved(InterfaceID, name: String)
    case addressAdded(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    case routeAdded(Route)
    case routeRemoved(Route)
    case neighbourChanged(Neighbour)
    case neighbourRemoved(Neighbour)
    /// The kernel had to throw events away: read the lists anew.
    case lost

    init?(_ message: NetlinkMessage) {
        let event: LinkEvent? =
            switch Int(message.type) {
            case RTM_NEWLINK: LinkInformation(message).map { .linkChanged($0) }
            case RTM_DELLINK:
                LinkInformation(message).map { .linkRemoved($0.id, name: $0.name) }
            case RTM_NEWADDR: InterfaceAddress(message).map { .addressAdded($0) }
            case RTM_DELADDR: InterfaceAddress(message).map { .addressRemoved($0) }
            case RTM_NEWROUTE: Route(message).map { .routeAdded($0) }
            case RTM_DELROUTE: Route(message).map { .routeRemoved($0) }
            case RTM_NEWNEIGH: Neighbour(message).map { .neighbourChanged($0) }
            case RTM_DELNEIGH: Neighbour(message).map { .neighbourRemoved($0) }
            default: nil
            }
        guard let event else { return nil }
        self = event
    }
}

/// Listens to what happens to links, addresses, routes and neighbours of one namespace.
package final class LinkEventMonitor {
    private let socket: NetlinkSocket
    private var buffer = [UInt8](repeating: 0, count: 131_072)

    /// What to listen to.
    package struct Topics: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        package static let links = Topics(rawValue: 1)
        package static let addresses = Topics(rawValue: 2)
        package static let routes = Topics(rawValue: 4)
        package static let neighbours = Topics(rawValue: 8)
        package static let all: Topics = [.links, .addresses, .routes, .neighbours]
    }

    /// Listens in `namespace`, or in that of the calling thread. Whatever happens after this call
    /// is seen.
    package init(
        in namespace: NetworkNamespace? = nil, topics: Topics = .all
    ) throws(NetlinkError) {
        socket = try NetlinkSocket(in: namespace)
        // Room for a burst: what does not fit is lost.
        nl_socket_set_buffer_size(socket.socket, 1 << 20, 0)
        var groups: [rtnetlink_groups] = []
        if topics.contains(.links) { groups.append(RTNLGRP_LINK) }
        if topics.contains(.addresses) { groups += [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] }
        if topics.contains(.routes) { groups += [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE] }
        if topics.contains(.neighbours) { groups.append(RTNLGRP_NEIGH) }
        for group in groups {
            let result = nl_socket_add_membership(socket.socket, Int32(group.rawValue))
            guard result >= 0 else {
                throw NetlinkError(
                    "ip monitor", code: EIO, message: String(cString: nl_geterror(result)))
            }
        }
    }

    /// For epoll: readable when there are events.
    package var descriptor: Int32 { socket.descriptor }

    /// All events that are waiting; empty when there are none. Never blocks.
    package func readEvents() throws(NetlinkError) -> [LinkEvent] {
        var events: [LinkEvent] = []
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                let code = errno
                switch code {
                case EAGAIN: return events
                case EINTR: continue
                case ENOBUFS:
                    events.append(.lost)
                    continue
                default: throw NetlinkError("ip monitor", code: code)
                }
            }
            buffer.withUnsafeBytes { bytes in
                var rest = UnsafeRawBufferPointer(rebasing: bytes[..<count])
                while let message = NetlinkMessage.next(in: &rest) {
                    if let event = LinkEvent(message) { events.append(event) }
                }
            }
        }
    }
}
