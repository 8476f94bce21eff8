internal import CNetlinkRoute
internal import Glibc
package import NetworkPrimitives

extension RouteController {
    /// `ip address show`
    package func addresses() throws(NetlinkError) -> [InterfaceAddress] {
        try dump(RTM_GETADDR, ifaddrmsg(), "ip address show") {
            $0.type == UInt16(RTM_NEWADDR) ? InterfaceAddress($0) : nil
        }
    }

    /// `ip address add ADDRESS/PREFIX dev NAME [nodad]`. IPv6 addresses come without duplicate address
    /// detection, so that they can be used at once.
    package func addAddress(
        _ address: IPAddress, prefixLength: Int, to name: String
    ) throws(NetlinkError) {
        let command =
            "ip address add \(address)/\(prefixLength) dev \(name)"
            + (address.isV6 ? " nodad" : "")
        try changeAddress(address, prefixLength, name, command) { object, message in
            rtnl_addr_build_add_request(object, NLM_F_CREATE | NLM_F_EXCL, &message)
        }
    }

    /// `ip address delete ADDRESS/PREFIX dev NAME`
    package func removeAddress(
        _ address: IPAddress, prefixLength: Int, from name: String
    ) throws(NetlinkError) {
        let command = "ip address delete \(address)/\(prefixLength) dev \(name)"
        try changeAddress(address, prefixLength, name, command) { object, message in
            rtnl_addr_build_delete_request(object, 0, &message)
        }
    }

    private func changeAddress(
        _ address: IPAddress, _ prefixLength: Int, _ name: String, _ command: String,
        _ build: (OpaquePointer, inout OpaquePointer?) -> Int32
    ) throws(NetlinkError) {
        let interface = try interface(named: name)
        try execute(command) { message in
            guard let object = rtnl_addr_alloc() else { return -NLE_NOMEM }
            defer { rtnl_addr_put(object) }
            rtnl_addr_set_ifindex(object, interface.rawValue)
            if address.isV6 { rtnl_addr_set_flags(object, UInt32(IFA_F_NODAD)) }
            let result = withNetlinkAddress(address, prefixLength: prefixLength) {
                rtnl_addr_set_local(object, $0)
            }
            return result < 0 ? result : build(object, &message)
        }
    }

    /// `ip neighbour show`
    package func neighbours() throws(NetlinkError) -> [Neighbour] {
        try dump(RTM_GETNEIGH, ndmsg(), "ip neighbour show") {
            $0.type == UInt16(RTM_NEWNEIGH) ? Neighbour($0) : nil
        }
    }

    /// `ip neighbour replace ADDRESS lladdr MAC dev NAME nud permanent`. Vanishes when the link goes
    /// down.
    package func addNeighbour(
        _ address: IPAddress, hardwareAddress: [UInt8], on name: String
    ) throws(NetlinkError) {
        let interface = try interface(named: name)
        try execute("ip neighbour replace \(address) dev \(name) nud permanent") { message in
            guard let object = rtnl_neigh_alloc() else { return -NLE_NOMEM }
            defer { rtnl_neigh_put(object) }
            rtnl_neigh_set_ifindex(object, interface.rawValue)
            rtnl_neigh_set_state(object, NUD_PERMANENT)
            withNetlinkAddress(address) { _ = rtnl_neigh_set_dst(object, $0) }
            withNetlinkAddress(family: AF_LLC, hardwareAddress, prefixLength: nil) {
                rtnl_neigh_set_lladdr(object, $0)
            }
            return rtnl_neigh_build_add_request(object, NLM_F_CREATE | NLM_F_REPLACE, &message)
        }
    }

    /// `ip neighbour replace ADDRESS dev NAME use`: has the kernel find the hardware address out, or
    /// confirm it, as a packet of its own would. The answer comes as an event. Not for permanent
    /// neighbours: they would become ordinary ones.
    package func resolveNeighbour(
        _ address: IPAddress, on interface: InterfaceID
    ) throws(NetlinkError) {
        var header = ndmsg()
        header.ndm_family = UInt8(address.isV6 ? AF_INET6 : AF_INET)
        header.ndm_ifindex = interface.rawValue
        header.ndm_flags = UInt8(NTF_USE)
        let request = NetlinkRequest(RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, header)
        request.put(NDA_DST, address.bytes)
        try socket.execute(
            request, "ip neighbour replace \(address) dev #\(interface.rawValue) use")
    }

    /// `ip neighbour delete ADDRESS dev NAME`
    package func removeNeighbour(_ address: IPAddress, on name: String) throws(NetlinkError) {
        var header = ndmsg()
        header.ndm_family = UInt8(address.isV6 ? AF_INET6 : AF_INET)
        header.ndm_ifindex = try interface(named: name).rawValue
        let request = NetlinkRequest(RTM_DELNEIGH, header)
        request.put(NDA_DST, address.bytes)
        try socket.execute(request, "ip neighbour delete \(address) dev \(name)")
    }
}
