import LinuxSystem
import Netlink
import NetworkPrimitives
import Testing

@Suite(
    "Link events", .serialized,
    .enabled(
        if: NetlinkTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct LinkEventTests {
    /// All events until `done` says so; at most five seconds.
    private func events(
        _ monitor: LinkEventMonitor, until done: ([LinkEvent]) -> Bool
    ) throws -> [LinkEvent] {
        let poll = try EventPoll()
        try poll.add(monitor.descriptor, token: 1)
        let deadline = MonotonicClock.now() + .seconds(5)
        var all: [LinkEvent] = []
        while !done(all), MonotonicClock.now() < deadline {
            if try !poll.wait(until: deadline).isEmpty { all += try monitor.readEvents() }
        }
        return all
    }

    @Test("a link's own down and up are seen, with what goes along")
    func downUp() throws {
        let bed = try NetlinkTestbed()
        let monitor = try LinkEventMonitor(in: bed.a)
        #expect(try monitor.readEvents().isEmpty)
        let link = try bed.left.interface(named: "left")

        try bed.left.setDown("left")
        let down = try events(monitor) { seen in
            seen.contains { if case .linkChanged(let l) = $0 { !l.isUp } else { false } }
                && seen.contains { if case .routeRemoved = $0 { true } else { false } }
        }
        #expect(
            down.contains {
                if case .linkChanged(let l) = $0 {
                    l.id == link && !l.isUp && !l.isRunning
                } else {
                    false
                }
            })
        // The IPv6 address goes with the link, the IPv4 address stays.
        #expect(
            down.contains {
                if case .addressRemoved(let a) = $0 { "\(a.address)" == "fd00::1" } else { false }
            })
        #expect(
            !down.contains {
                if case .addressRemoved(let a) = $0 { !a.address.isV6 } else { false }
            })

        try bed.left.setUp("left")
        let up = try events(monitor) { seen in
            seen.contains {
                if case .linkChanged(let l) = $0 { l.isUp && l.hasCarrier } else { false }
            }
        }
        #expect(
            up.contains {
                if case .linkChanged(let l) = $0 { l.id == link && l.isUp } else { false }
            })
    }

    @Test("the loss of carrier is told when the peer goes down")
    func carrier() throws {
        let bed = try NetlinkTestbed()
        let monitor = try LinkEventMonitor(in: bed.a, topics: .links)
        try bed.right.setDown("right")
        let seen = try events(monitor) { all in
            all.contains {
                if case .linkChanged(let l) = $0 { l.isUp && !l.hasCarrier } else { false }
            }
        }
        #expect(!seen.isEmpty)
    }

    @Test("addresses, neighbours and removal are seen")
    func others() throws {
        let bed = try NetlinkTestbed()
        let monitor = try LinkEventMonitor(in: bed.a)
        let address = IPAddress.v4(0x0a09_0505)
        try bed.left.addAddress(address, prefixLength: 24, to: "left")
        try bed.left.addNeighbour(address, hardwareAddress: [2, 0, 0, 0, 0, 9], on: "left")
        try bed.left.removeNeighbour(address, on: "left")
        try bed.left.removeAddress(address, prefixLength: 24, from: "left")
        let link = try bed.left.interface(named: "left")
        try bed.left.deleteLink("left")
        let seen = try events(monitor) {
            $0.contains(.linkRemoved(link, name: "left"))
        }
        func has(_ test: (LinkEvent) -> Bool) -> Bool { seen.contains(where: test) }
        #expect(has { if case .addressAdded(let a) = $0 { a.address == address } else { false } })
        #expect(has { if case .addressRemoved(let a) = $0 { a.address == address } else { false } })
        #expect(
            has {
                if case .neighbourChanged(let n) = $0 {
                    n.address == address && n.isPermanent
                } else {
                    false
                }
            })
        #expect(
            has { if case .neighbourRemoved(let n) = $0 { n.address == address } else { false } })
        #expect(seen.contains(.linkRemoved(link, name: "left")))
    }

    /// Whether an address was added; any if `address` is `nil`.
    private func isAddition(_ event: LinkEvent, _ address: IPAddress?) -> Bool {
        guard case .addressAdded(let added) = event else { return false }
        return address == nil || added.address == address
    }

    @Test("topics that were not asked for stay away")
    func topics() throws {
        let bed = try NetlinkTestbed()
        let monitor = try LinkEventMonitor(in: bed.a, topics: .addresses)
        try bed.left.createVeth("other0", peer: "other1")
        let address = IPAddress.v4(0x0a09_0707)
        try bed.left.addAddress(address, prefixLength: 24, to: "left")
        // Link-local addresses of IPv6 come on their own, when the kernel gets to it.
        let seen = try events(monitor) { $0.contains { isAddition($0, address) } }
        #expect(seen.allSatisfy { isAddition($0, nil) }, "\(seen)")
    }
}
