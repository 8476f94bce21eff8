internal import CNetlinkRoute
internal import Glibc
internal import NetworkPrimitives

/// What becomes of every frame that comes in through an interface, before the kernel's own stack
/// sees it. A packet socket sees it all the same.
package enum IngressAction: Hashable, Sendable {
    /// It leaves through this interface, as it is.
    case redirect(to: String)
    case drop

    /// What `tc` would be told.
    package var arguments: String {
        switch self {
        case .redirect(let name): "mirred egress redirect dev \(name)"
        case .drop: "drop"
        }
    }
}

extension RouteController {
    // TC_H_INGRESS and, for the filters below it, TC_H_MIN_INGRESS.
    private static let ingressParent: UInt32 = 0xffff_fff1
    private static let ingressFilters: UInt32 = 0xffff_fff2
    private static let ingressHandle: UInt32 = 0xffff_0000

    /// `tc qdisc add dev NAME ingress`: the place where ingress filters stand. An error with reason
    /// `.notSupported` when the kernel lacks it.
    package func addIngressQueue(on name: String) throws(NetlinkError) {
        let request = NetlinkRequest(
            RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_EXCL, try ingressHeader(name))
        request.put(TCA_KIND, "ingress")
        try executeLoading(request, "tc qdisc add dev \(name) ingress")
    }

    /// `tc qdisc delete dev NAME ingress`, its filters included.
    package func removeIngressQueue(on name: String) throws(NetlinkError) {
        try socket.execute(
            NetlinkRequest(RTM_DELQDISC, try ingressHeader(name)),
            "tc qdisc delete dev \(name) ingress")
    }

    /// `tc filter add dev NAME ingress protocol all prio P matchall action ...`. The filter with
    /// the lowest priority number decides. An error with reason `.notSupported` when the kernel
    /// lacks the filter or the action.
    package func addIngressFilter(
        _ action: IngressAction, priority: UInt16, on name: String
    ) throws(NetlinkError) {
        let command =
            "tc filter add dev \(name) ingress protocol all prio \(priority) matchall action "
            + action.arguments
        var target: Int32 = 0
        if case .redirect(let other) = action { target = try interface(named: other).rawValue }
        let request = NetlinkRequest(
            RTM_NEWTFILTER, flags: NLM_F_CREATE | NLM_F_EXCL, try filterHeader(name, priority))
        request.put(TCA_KIND, "matchall")
        request.nest(TCA_OPTIONS) {
            request.nest(TCA_MATCHALL_ACT) {
                // The first, and only, of a list of actions.
                request.nest(1) {
                    switch action {
                    case .redirect:
                        request.put(TCA_ACT_KIND, "mirred")
                        var parameters = tc_mirred()
                        parameters.action = TC_ACT_STOLEN
                        parameters.eaction = TCA_EGRESS_REDIR
                        parameters.ifindex = UInt32(bitPattern: target)
                        request.nest(TCA_ACT_OPTIONS) {
                            request.put(TCA_MIRRED_PARMS, structure: parameters)
                        }
                    case .drop:
                        request.put(TCA_ACT_KIND, "gact")
                        var parameters = tc_gact()
                        parameters.action = TC_ACT_SHOT
                        request.nest(TCA_ACT_OPTIONS) {
                            request.put(TCA_GACT_PARMS, structure: parameters)
                        }
                    }
                }
            }
        }
        try executeLoading(request, command)
    }

    /// `tc filter delete dev NAME ingress protocol all prio P`
    package func removeIngressFilter(priority: UInt16, on name: String) throws(NetlinkError) {
        try socket.execute(
            NetlinkRequest(RTM_DELTFILTER, try filterHeader(name, priority)),
            "tc filter delete dev \(name) ingress protocol all prio \(priority)")
    }

    private func ingressHeader(_ name: String) throws(NetlinkError) -> tcmsg {
        var header = tcmsg()
        header.tcm_ifindex = try interface(named: name).rawValue
        header.tcm_parent = Self.ingressParent
        header.tcm_handle = Self.ingressHandle
        return header
    }

    private func filterHeader(_ name: String, _ priority: UInt16) throws(NetlinkError) -> tcmsg {
        var header = tcmsg()
        header.tcm_ifindex = try interface(named: name).rawValue
        header.tcm_parent = Self.ingressFilters
        // ETH_P_ALL, 3, in network order.
        header.tcm_info = UInt32(priority) << 16 | UInt32(UInt16(3).bigEndian)
        return header
    }
}
