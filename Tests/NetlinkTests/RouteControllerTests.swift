import LinuxSystem
import Netlink
import NetworkPrimitives
import Testing

@Suite(
    "Route netlink", .serialized,
    .enabled(
        if: NetlinkTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct RouteControllerTests {
    private let router = IPAddress.v4(0x0a09_00fe)
    private let here = IPAddress.v4(0x0a09_0001)
    private let there = IPAddress.v4(0x0a09_0002)

    @Test("a veth pair stands in two namespaces")
    func veth() throws {
        let bed = try NetlinkTestbed(addresses: false)
        let left = try bed.left.link(named: "left")
        let right = try bed.right.link(named: "right")
        #expect(left.peer == right.id && right.peer == left.id)
        #expect(left.kind == "veth" && !left.isUp && left.mtu == 1500)
        #expect(left.hardwareAddress.count == 6)
        #expect(try bed.left.links().map(\.name).sorted() == ["left", "lo"])
        #expect(try bed.left.link(left.id) == left)
        #expect(try bed.run("ip", "-o link show left").contains("left@if\(right.id.rawValue)"))

        try bed.left.deleteLink("left")
        #expect(try bed.right.links().map(\.name) == ["lo"])
    }

    @Test("hardware addresses, MTU and names are set")
    func properties() throws {
        let bed = try NetlinkTestbed(addresses: false)
        let mac: [UInt8] = [2, 0, 0, 0, 0xa, 1]
        let peerMAC: [UInt8] = [2, 0, 0, 0, 0xb, 1]
        try bed.left.createVeth(
            "x0", peer: "x1", hardwareAddress: mac, peerHardwareAddress: peerMAC)
        #expect(try bed.left.link(named: "x0").hardwareAddress == mac)
        #expect(try bed.left.link(named: "x1").hardwareAddress == peerMAC)
        try bed.left.setMTU("x0", 1400)
        try bed.left.rename("x0", to: "wifi0")
        let link = try bed.left.link(named: "wifi0")
        #expect(link.hardwareAddress == mac && link.mtu == 1400)
    }

    @Test("flags follow up and down on both sides")
    func upDown() throws {
        let bed = try NetlinkTestbed()
        let up = try bed.left.link(named: "left")
        #expect(up.isUp && up.hasCarrier)
        try bed.right.setDown("right")
        #expect(try !bed.right.link(named: "right").isUp)
        #expect(try bed.left.link(named: "left").isUp)
        #expect(try !bed.left.link(named: "left").hasCarrier)
    }

    @Test("addresses come and go")
    func addresses() throws {
        let bed = try NetlinkTestbed()
        let link = try bed.left.interface(named: "left")
        func mine() throws -> [String] {
            try bed.left.addresses().filter { $0.interface == link }
                .map { "\($0.address)/\($0.prefixLength)" }
        }
        #expect(try mine().filter { !$0.hasPrefix("fe80") } == ["10.9.0.1/24", "fd00::1/64"])
        let v6 = try bed.left.addresses().first { "\($0.address)" == "fd00::1" }
        #expect(v6?.isTentative == false)
        try bed.left.removeAddress(here, prefixLength: 24, from: "left")
        #expect(try !mine().contains("10.9.0.1/24"))
        let error = #expect(throws: NetlinkError.self) {
            try bed.left.removeAddress(here, prefixLength: 24, from: "left")
        }
        #expect(error?.reason == .notFound)
    }

    @Test("routes and rules by source address decide the next hop")
    func policyRouting() throws {
        let bed = try NetlinkTestbed()
        try bed.left.addAddress(.v4(0x0a09_0101), prefixLength: 32, to: "left")
        let far = IPAddress.v4(0xc633_6401)
        #expect(try bed.left.nextHop(for: far) == nil)
        try bed.left.addRoute(to: .anyV4, via: there, on: "left", metric: 50)
        try bed.left.addRoute(to: .anyV4, via: router, on: "left", table: 1001)
        try bed.left.addRule(from: .host(.v4(0x0a09_0101)), table: 1001, priority: 100)
        let link = try bed.left.interface(named: "left")
        #expect(
            try bed.left.nextHop(for: far)
                == NextHop(interface: link, gateway: there, source: here))
        #expect(
            try bed.left.nextHop(for: far, from: .v4(0x0a09_0101))
                == NextHop(interface: link, gateway: router, source: .v4(0x0a09_0101)))
        #expect(
            try bed.left.nextHop(for: there)
                == NextHop(interface: link, gateway: nil, source: here))
        #expect(try bed.run("ip", "rule show").contains("100:\tfrom 10.9.1.1 lookup 1001"))
        #expect(
            try bed.run("ip", "route show").contains("default via 10.9.0.2 dev left proto static"))
        #expect(
            try bed.left.routes().contains {
                $0.table == 1001 && $0.gateway == router && $0.destination == .anyV4
            })

        try bed.left.removeRule(from: .host(.v4(0x0a09_0101)), table: 1001, priority: 100)
        #expect(try bed.left.nextHop(for: far, from: .v4(0x0a09_0101))?.gateway == there)
        try bed.left.removeRoute(
            Route(to: .anyV4, via: there, interface: link, metric: 50))
        #expect(try bed.left.nextHop(for: far) == nil)
    }

    @Test("IPv6 routes, rules and unreachable defaults")
    func policyRoutingV6() throws {
        let bed = try NetlinkTestbed()
        let far = IPAddress.v6(0x2001_0db8 << 32, 1)
        let gateway = IPAddress.v6(0xfd00 << 48, 2)
        let source = IPAddress.v6(0xfd00 << 48, 1)
        try bed.left.addRoute(Route(to: .anyV6, kind: .unreachable, metric: 9000))
        #expect(try bed.left.nextHop(for: far) == nil)
        try bed.left.addRoute(to: .anyV6, via: gateway, on: "left", table: 77)
        try bed.left.addRule(from: .host(source), table: 77)
        #expect(try bed.left.nextHop(for: far) == nil)
        #expect(try bed.left.nextHop(for: far, from: source)?.gateway == gateway)
        #expect(try bed.run("ip", "-6 rule show").contains("from fd00::1 lookup 77"))
    }

    @Test("an unreachable IPv4 default keeps packets from leaking")
    func unreachable() throws {
        let bed = try NetlinkTestbed()
        try bed.left.addRoute(Route(to: .anyV4, kind: .unreachable, table: 1001))
        try bed.left.addRule(from: .host(here), table: 1001)
        try bed.left.addRoute(to: .anyV4, via: there, on: "left")
        #expect(try bed.left.nextHop(for: .v4(0xc633_6401)) != nil)
        #expect(try bed.left.nextHop(for: .v4(0xc633_6401), from: here) == nil)
    }

    @Test("permanent neighbours are set, replaced and removed", arguments: [false, true])
    func neighbours(isV6: Bool) throws {
        let bed = try NetlinkTestbed()
        let address: IPAddress = isV6 ? .v6(0xfd00 << 48, 0xfe) : router
        for last: UInt8 in [1, 2] {
            try bed.left.addNeighbour(address, hardwareAddress: [2, 0, 0, 0, 0, last], on: "left")
            let entry = try bed.left.neighbours().first { $0.address == address }
            #expect(entry?.hardwareAddress == [2, 0, 0, 0, 0, last])
            #expect(entry?.isPermanent == true && entry?.isValid == true)
        }
        try bed.left.removeNeighbour(address, on: "left")
        let left = try bed.left.neighbours().first { $0.address == address && $0.isValid }
        #expect(left == nil)
    }

    @Test("a token bucket and a packet queue are put in place, counted and removed")
    func queues() throws {
        let bed = try NetlinkTestbed()
        let link = try bed.left.interface(named: "left")
        func root() throws -> QueueStatistics? {
            try bed.left.queues().first { $0.interface == link && $0.isRoot }
        }
        try bed.left.setRootQueue(
            .tokenBucket(
                TokenBucket(
                    rate: BitRate(bitsPerSecond: 8_000_000), burst: 20_000, limit: 50_000)),
            on: "left")
        #expect(try bed.run("tc", "qdisc show dev left").hasPrefix("qdisc tbf "))
        #expect(try bed.run("tc", "qdisc show dev left").contains("rate 8Mbit burst 20000b"))
        let sent = try ChildProcess.run(
            "bash", ["-c", "for i in 1 2 3; do echo hello > /dev/udp/10.9.0.2/9; done"], in: bed.a)
        #expect(sent.exit.isSuccess)
        let counted = try root()
        #expect(counted?.kind == "tbf" && (counted?.packets ?? 0) >= 2)
        #expect((counted?.bytes ?? 0) >= 2 * 42)
        try bed.left.removeRootQueue(on: "left")
        #expect(try root()?.kind != "tbf")
    }

    @Test("a root with a handle has a child, which goes with it")
    func childQueue() throws {
        let bed = try NetlinkTestbed()
        let link = try bed.left.interface(named: "left")
        func kinds() throws -> [String] {
            try bed.left.queues().filter { $0.interface == link }.map(\.kind)
        }
        let bucket = TokenBucket(
            rate: BitRate(bitsPerSecond: 8_000_000), burst: 20_000, limit: 50_000)
        try bed.left.setRootQueue(.tokenBucket(bucket), on: "left", handle: 0x1a)
        var inner = bucket
        inner.burst = 7_000
        try bed.left.setChildQueue(.tokenBucket(inner), of: 0x1a, on: "left")
        #expect(try kinds() == ["tbf", "tbf"])
        let shown = try bed.run("tc", "qdisc show dev left")
        #expect(shown.contains("qdisc tbf 1a: root"))
        #expect(shown.contains("parent 1a:1 rate 8Mbit burst 7000b"))
        try bed.left.removeRootQueue(on: "left")
        #expect(try !kinds().contains("tbf"))
        let error = #expect(throws: NetlinkError.self) {
            try bed.left.setChildQueue(.tokenBucket(inner), of: 0x1a, on: "left")
        }
        #expect(
            error?.command
                == "tc qdisc replace dev left parent 1a:1 tbf rate 8000000bit burst 7000 "
                + "limit 50000")
    }

    @Test("netem is set, or its absence is told for what it is")
    func netem() throws {
        let bed = try NetlinkTestbed()
        let emulation = NetworkEmulation(
            delay: .milliseconds(10), jitter: .milliseconds(1), loss: 0.01,
            rate: BitRate(bitsPerSecond: 10_000_000))
        do {
            try bed.left.setRootQueue(.netem(emulation), on: "left")
            #expect(try bed.run("tc", "qdisc show dev left").contains("netem "))
        } catch let error as NetlinkError {
            #expect(error.reason == .notSupported, "\(error)")
            #expect(
                error.command
                    == "tc qdisc replace dev left root netem limit 1000 delay 10000us "
                    + "1000us loss 1.0% rate 10000000bit")
        }
    }

    @Test("errors name the command, the reason and the kernel's words")
    func errors() throws {
        let bed = try NetlinkTestbed()
        let taken = #expect(throws: NetlinkError.self) {
            try bed.left.createVeth("left", peer: "other")
        }
        #expect(taken?.reason == .alreadyExists)
        #expect(
            taken?.description.hasPrefix(
                "ip link add left type veth peer name other: File exists") == true)
        let missing = #expect(throws: NetlinkError.self) { try bed.left.setUp("nothing") }
        #expect(missing?.reason == .notFound)
        let gateway = #expect(throws: NetlinkError.self) {
            try bed.left.addRoute(to: .anyV4, via: .v4(0x0101_0101), on: "left")
        }
        #expect(gateway?.message == "Nexthop has invalid gateway")
        #expect(throws: NetlinkError.self) {
            try bed.left.createVeth("a-name-that-is-much-too-long", peer: "p")
        }
    }

    @Test("after an error the socket goes on working")
    func afterError() throws {
        let bed = try NetlinkTestbed()
        for _ in 0..<20 {
            _ = try? bed.left.setUp("nothing")
            #expect(try bed.left.link(named: "left").name == "left")
        }
        #expect(try bed.left.links().count == 2)
    }
}
