internal import CNetlinkRoute
internal import Glibc
package import LinuxSystem
package import NetworkPrimitives

extension RouteController {
    /// `ip link show`
    package func links() throws(NetlinkError) -> [LinkInformation] {
        try dump(RTM_GETLINK, ifinfomsg(), "ip link show") {
            $0.type == UInt16(RTM_NEWLINK) ? LinkInformation($0) : nil
        }
    }

    /// `ip link show dev NAME`
    package func link(named name: String) throws(NetlinkError) -> LinkInformation {
        let request = NetlinkRequest(RTM_GETLINK, ifinfomsg())
        request.put(IFLA_IFNAME, name)
        return try link(request, "ip link show dev \(name)")
    }

    /// `ip link show`, one interface by number.
    package func link(_ id: InterfaceID) throws(NetlinkError) -> LinkInformation {
        var header = ifinfomsg()
        header.ifi_index = id.rawValue
        return try link(NetlinkRequest(RTM_GETLINK, header), "ip link show index \(id.rawValue)")
    }

    private func link(
        _ request: NetlinkRequest, _ command: @autoclosure () -> String
    ) throws(NetlinkError) -> LinkInformation {
        var found: LinkInformation?
        try socket.execute(request, command()) { message in
            if message.type == UInt16(RTM_NEWLINK) { found = LinkInformation(message) }
        }
        guard let found else { throw NetlinkError(command(), code: ENODEV) }
        return found
    }

    /// The number of an interface.
    package func interface(named name: String) throws(NetlinkError) -> InterfaceID {
        try link(named: name).id
    }

    /// `ip link add NAME [address MAC] type veth peer name PEER [address MAC] [netns NS]`
    package func createVeth(
        _ name: String, peer peerName: String, peerNamespace: NetworkNamespace? = nil,
        hardwareAddress: [UInt8]? = nil, peerHardwareAddress: [UInt8]? = nil
    ) throws(NetlinkError) {
        let place = peerNamespace.map { " netns \($0.name)" } ?? ""
        // libnl cuts a name that is too long, silently.
        try Self.check(name)
        try Self.check(peerName)
        try execute("ip link add \(name) type veth peer name \(peerName)\(place)") { message in
            guard let link = rtnl_link_veth_alloc(), let peer = rtnl_link_veth_get_peer(link)
            else { return -NLE_NOMEM }
            defer {
                rtnl_link_put(peer)
                rtnl_link_veth_release(link)
            }
            rtnl_link_set_name(link, name)
            rtnl_link_set_name(peer, peerName)
            if let peerNamespace {
                rtnl_link_set_ns_fd(peer, peerNamespace.descriptor.rawValue)
            }
            // rtnl_link_set_addr takes a reference of its own.
            for (target, bytes) in [(link, hardwareAddress), (peer, peerHardwareAddress)] {
                guard let bytes else { continue }
                withNetlinkAddress(family: AF_LLC, bytes, prefixLength: nil) {
                    rtnl_link_set_addr(target, $0)
                }
            }
            return rtnl_link_build_add_request(
                link, NLM_F_CREATE | NLM_F_EXCL, &message)
        }
    }

    /// `ip link delete dev NAME`; of a veth, both ends.
    package func deleteLink(_ name: String) throws(NetlinkError) {
        let request = NetlinkRequest(RTM_DELLINK, ifinfomsg())
        request.put(IFLA_IFNAME, name)
        try socket.execute(request, "ip link delete dev \(name)")
    }

    /// `ip link set dev NAME up`
    package func setUp(_ name: String) throws(NetlinkError) {
        try setFlag(name, up: true)
    }

    /// `ip link set dev NAME down`
    package func setDown(_ name: String) throws(NetlinkError) {
        try setFlag(name, up: false)
    }

    /// `ip link set dev NAME up` and the routes through it in one message, so that hardly any time
    /// lies between the announcement that the link is up and the routes being there.
    package func setUp(_ name: String, installing routes: [Route]) throws(NetlinkError) {
        var batch = [(flagRequest(name, up: true), "ip link set dev \(name) up")]
        for route in routes {
            batch.append((try addRequest(route), Self.command("replace", route)))
        }
        try socket.execute(batch: batch)
    }

    private func setFlag(_ name: String, up: Bool) throws(NetlinkError) {
        try socket.execute(
            flagRequest(name, up: up), "ip link set dev \(name) \(up ? "up" : "down")")
    }

    private func flagRequest(_ name: String, up: Bool) -> NetlinkRequest {
        var header = ifinfomsg()
        header.ifi_flags = up ? UInt32(IFF_UP) : 0
        header.ifi_change = UInt32(IFF_UP)
        let request = NetlinkRequest(RTM_NEWLINK, header)
        request.put(IFLA_IFNAME, name)
        return request
    }

    /// IFNAMSIZ with its terminator is 16.
    private static func check(_ name: String) throws(NetlinkError) {
        guard (1...15).contains(name.utf8.count), !name.contains("/"),
            !name.contains(where: \.isWhitespace)
        else { throw NetlinkError("interface name '\(name)'", code: EINVAL) }
    }

    private func change(
        _ name: String, _ what: String, _ fill: (NetlinkRequest) -> Void
    ) throws(NetlinkError) {
        let command = "ip link set dev \(name) \(what)"
        var header = ifinfomsg()
        do {
            header.ifi_index = try interface(named: name).rawValue
        } catch {
            throw NetlinkError(command, code: error.code, message: error.message)
        }
        let request = NetlinkRequest(RTM_NEWLINK, header)
        fill(request)
        try socket.execute(request, command)
    }

    /// `ip link set dev NAME name NEW`; the link must be down.
    package func rename(_ name: String, to new: String) throws(NetlinkError) {
        try change(name, "name \(new)") { $0.put(IFLA_IFNAME, new) }
    }

    /// `ip link set dev NAME mtu MTU`
    package func setMTU(_ name: String, _ mtu: Int) throws(NetlinkError) {
        try change(name, "mtu \(mtu)") { $0.put(IFLA_MTU, UInt32(clamping: mtu)) }
    }

    /// `ip link set dev NAME txqueuelen PACKETS`. A change stops and starts the queue; it starts at once
    /// when there is carrier, while the kernel by itself may take its time after the carrier came.
    package func setTransmitQueueLength(_ name: String, _ packets: Int) throws(NetlinkError) {
        try change(name, "txqueuelen \(packets)") {
            $0.put(IFLA_TXQLEN, UInt32(clamping: packets))
        }
    }
}
