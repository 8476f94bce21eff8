internal import CNetlinkRoute
internal import Glibc
package import NetworkPrimitives

extension RouteController {
    /// `ip route show table all` and `ip -6 route show table all`
    package func routes() throws(NetlinkError) -> [Route] {
        try dump(RTM_GETROUTE, rtmsg(), "ip route show table all") {
            $0.type == UInt16(RTM_NEWROUTE) ? Route($0) : nil
        }
    }

    /// `ip route replace [unreachable] PREFIX [via GATEWAY] [dev NAME] [src ADDRESS] [metric N]
    /// table T`
    package func addRoute(_ route: Route) throws(NetlinkError) {
        try socket.execute(try addRequest(route), Self.command("replace", route))
    }

    func addRequest(_ route: Route) throws(NetlinkError) -> NetlinkRequest {
        try routeRequest(route, "replace") { object, message in
            rtnl_route_build_add_request(object, NLM_F_CREATE | NLM_F_REPLACE, &message)
        }
    }

    /// `ip route replace PREFIX ...` with an interface's name.
    package func addRoute(
        to destination: AddressPrefix, via gateway: IPAddress? = nil, on name: String,
        table: UInt32 = 254, preferredSource: IPAddress? = nil, metric: UInt32? = nil
    ) throws(NetlinkError) {
        try addRoute(
            Route(
                to: destination, via: gateway, interface: try interface(named: name),
                table: table, preferredSource: preferredSource, metric: metric))
    }

    /// `ip route delete PREFIX ...`
    package func removeRoute(_ route: Route) throws(NetlinkError) {
        let request = try routeRequest(route, "delete") { object, message in
            rtnl_route_build_del_request(object, 0, &message)
        }
        try socket.execute(request, Self.command("delete", route))
    }

    static func command(_ verb: String, _ route: Route) -> String {
        var words = "ip route \(verb)"
        if route.kind == .unreachable { words += " unreachable" }
        words += " \(route.destination)"
        if let gateway = route.gateway { words += " via \(gateway)" }
        if let interface = route.interface { words += " dev #\(interface.rawValue)" }
        if let source = route.preferredSource { words += " src \(source)" }
        if let metric = route.metric { words += " metric \(metric)" }
        return words + " table \(route.table)"
    }

    private func routeRequest(
        _ route: Route, _ verb: String,
        _ build: (OpaquePointer, inout OpaquePointer?) -> Int32
    ) throws(NetlinkError) -> NetlinkRequest {
        let type: Int =
            switch route.kind {
            case .unicast: RTN_UNICAST
            case .unreachable: RTN_UNREACHABLE
            case .local: RTN_LOCAL
            case .other(let number): Int(number)
            }
        return try request(Self.command(verb, route)) { message in
            guard let object = rtnl_route_alloc() else { return -NLE_NOMEM }
            defer { rtnl_route_put(object) }
            rtnl_route_set_family(
                object, UInt8(route.destination.address.isV6 ? AF_INET6 : AF_INET))
            rtnl_route_set_type(object, UInt8(type))
            rtnl_route_set_table(object, route.table)
            if let metric = route.metric { rtnl_route_set_priority(object, metric) }
            let result = withNetlinkAddress(
                route.destination.address, prefixLength: route.destination.length
            ) { rtnl_route_set_dst(object, $0) }
            if result < 0 { return result }
            if let source = route.preferredSource {
                withNetlinkAddress(source) { _ = rtnl_route_set_pref_src(object, $0) }
            }
            if route.gateway != nil || route.interface != nil {
                guard let hop = rtnl_route_nh_alloc() else { return -NLE_NOMEM }
                if let interface = route.interface {
                    rtnl_route_nh_set_ifindex(hop, interface.rawValue)
                }
                if let gateway = route.gateway {
                    withNetlinkAddress(gateway) { rtnl_route_nh_set_gateway(hop, $0) }
                }
                // The route owns the hop from here.
                rtnl_route_add_nexthop(object, hop)
            }
            return build(object, &message)
        }
    }

    /// `ip rule add from PREFIX table T [priority N]`
    package func addRule(
        from source: AddressPrefix, table: UInt32, priority: UInt32? = nil
    ) throws(NetlinkError) {
        try changeRule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, "add", source, table, priority)
    }

    /// `ip rule delete from PREFIX table T [priority N]`
    package func removeRule(
        from source: AddressPrefix, table: UInt32, priority: UInt32? = nil
    ) throws(NetlinkError) {
        try changeRule(RTM_DELRULE, 0, "delete", source, table, priority)
    }

    private func changeRule(
        _ type: Int, _ flags: Int32, _ verb: String, _ source: AddressPrefix, _ table: UInt32,
        _ priority: UInt32?
    ) throws(NetlinkError) {
        var header = fib_rule_hdr()
        header.family = UInt8(source.address.isV6 ? AF_INET6 : AF_INET)
        header.src_len = UInt8(clamping: source.length)
        header.action = UInt8(FR_ACT_TO_TBL)
        let request = NetlinkRequest(type, flags: flags, header)
        if source.length > 0 { request.put(FRA_SRC, source.address.bytes) }
        request.put(FRA_TABLE, table)
        if let priority { request.put(FRA_PRIORITY, priority) }
        let order = priority.map { " priority \($0)" } ?? ""
        try socket.execute(request, "ip rule \(verb) from \(source) table \(table)\(order)")
    }

    /// `ip route get DESTINATION [from SOURCE] [oif NAME]`: where the kernel would send it, rules
    /// and all; `nil` when there is no way.
    package func nextHop(
        for destination: IPAddress, from source: IPAddress? = nil, on interface: InterfaceID? = nil
    ) throws(NetlinkError) -> NextHop? {
        var header = rtmsg()
        header.rtm_family = UInt8(destination.isV6 ? AF_INET6 : AF_INET)
        header.rtm_dst_len = UInt8(destination.byteCount * 8)
        if let source { header.rtm_src_len = UInt8(source.byteCount * 8) }
        let request = NetlinkRequest(RTM_GETROUTE, header)
        request.put(Int(RTA_DST.rawValue), destination.bytes)
        if let source { request.put(Int(RTA_SRC.rawValue), source.bytes) }
        if let interface {
            request.put(Int(RTA_OIF.rawValue), UInt32(bitPattern: interface.rawValue))
        }
        let origin = source.map { " from \($0)" } ?? ""
        var found: Route?
        do {
            try socket.execute(request, "ip route get \(destination)\(origin)") { message in
                if message.type == UInt16(RTM_NEWROUTE) { found = Route(message) }
            }
        } catch  where error.reason == .unreachable {
            return nil
        }
        guard let found, found.kind == .unicast || found.kind == .local,
            let interface = found.interface
        else { return nil }
        return NextHop(
            interface: interface, gateway: found.gateway,
            source: found.preferredSource ?? source)
    }
}
