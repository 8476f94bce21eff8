internal import CLinux
internal import Glibc

/// What the calling thread may do.
package struct Capabilities: Hashable, Sendable {
    /// The effective set as the kernel numbers it.
    package var mask: UInt64

    /// The effective set now; empty when the kernel does not say.
    package static func effective() -> Capabilities {
        var mask: UInt64 = 0
        guard clinux_effective_capabilities(&mask) == 0 else { return Capabilities(mask: 0) }
        return Capabilities(mask: mask)
    }

    private func has(_ number: UInt64) -> Bool { mask & (1 << number) != 0 }

    /// CAP_NET_ADMIN: links, addresses, routes, nft.
    package var canAdministerNetworks: Bool { has(12) }
    /// CAP_NET_RAW: packet sockets.
    package var canOpenPacketSockets: Bool { has(13) }
    /// CAP_SYS_ADMIN: namespaces and mounts.
    package var canMakeNamespaces: Bool { has(21) }
    /// CAP_SYS_NICE: real-time scheduling.
    package var canSchedule: Bool { has(23) }

    /// All that a testbed needs.
    package var canBuildNetworks: Bool {
        canAdministerNetworks && canOpenPacketSockets && canMakeNamespaces
    }

    /// Whether a user namespace with a network namespace in it can be made here; tried, in a
    /// child process, because no file under /proc tells the whole truth.
    package static func userNamespacesAllowed() -> Bool { clinux_probe_user_namespace() == 0 }
}

/// Settings of the calling thread.
package enum ThreadScheduling {
    /// SCHED_FIFO: `chrt -f PRIORITY`.
    package static func setRealTime(priority: Int32) throws(SystemError) {
        try checked(clinux_set_fifo(priority), "sched_setscheduler")
    }

    /// How late the kernel may wake a sleeper to save power; the default is 50 us.
    package static func setTimerSlack(nanoseconds: UInt64) throws(SystemError) {
        try checked(clinux_set_timer_slack(nanoseconds), "prctl PR_SET_TIMERSLACK")
    }
}
