import LinkModel
import LinuxSystem
import Netlink
import NetworkPrimitives
import Testbed
import Testing
import Topology

/// All that builds testbeds, one after the other: they look for what is left behind.
@Suite(
    "In namespaces", .serialized,
    .enabled(if: TestPrograms.isPossible, Comment(rawValue: TestPrograms.requirement)))
enum NamespaceSuites {}

extension NamespaceSuites {
    @Suite("Testbeds", .serialized)
    struct TestbedControllerTests {
        @Test(
            "stand, check out, and leave nothing behind",
            arguments: ["wifi-lte", "satellite", "wifi-lte-v6", "wifi-v6-lte-v4"])
        func lifecycle(name: String) throws {
            let topology = try TestPrograms.topology(name)
            let testbed = try TestPrograms.testbed(topology)
            #expect(try testbed.verify() == [])
            #expect(TestPrograms.leftovers().count == 4)
            #expect(
                testbed.capturePoints.map(\.name)
                    == topology.paths.map { "client-\($0.interface)" } + ["server-eth0"])
            #expect(testbed.tearDown() == [])
            #expect(testbed.tearDown() == [])
            #expect(TestPrograms.leftovers() == [])
        }

        @Test("verification sees what is missing")
        func verification() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            let client = try RouteController(in: testbed.namespace(.client))
            try client.setDown("lte0")
            let problems = try testbed.verify()
            #expect(problems.contains("client: lte0 is down"))
            #expect(problems.contains("client: no way to 10.0.9.1 over lte0"))
            #expect(problems.contains("client: lte0 does not know 10.0.2.1"))
            try testbed.restore()
            #expect(try testbed.verify() == [])
        }

        @Test("datagrams take as long as the links say")
        func delays() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            for (index, path) in testbed.topology.paths.enumerated() {
                let pair = try DatagramPair(testbed, path: index)
                let delays = try #require(try pair.medianDelays(of: 15))
                // 100 octets with UDP, IP and Ethernet headers.
                let serialisation = try #require(path.up.rate).serialisation(bytes: 142)
                let expected = path.up.oneWayDelay + serialisation
                for delay in [delays.up, delays.down] {
                    #expect(delay >= expected)
                    // The target is 0.3 ms on a quiet machine; tests do not run on one.
                    #expect(delay - expected < .milliseconds(2), "\(path.name): \(delay)")
                }
            }
            let statistics = try testbed.linkStatistics()
            #expect(statistics.map(\.up.delivered) == [15, 15])
            #expect(statistics.map(\.down.delivered) == [15, 15])
            #expect(statistics.allSatisfy { $0.up.refused == 0 && $0.down.refused == 0 })
        }

        @Test(
            "a silent cut loses what is inside and what comes, in both directions; nobody is told")
        func silentCut() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 1)
            let monitor = try LinkEventMonitor(in: testbed.namespace(.client))
            pair.sendUp(1)
            pair.sendDown(1)
            let before = MonotonicClock.now()
            let cut = try testbed.cut(1)
            #expect(cut >= before && cut <= MonotonicClock.now())
            pair.sendUp(2)
            pair.sendDown(2)
            #expect(try pair.server.drain(silence: .milliseconds(150)) == [])
            #expect(try pair.client.drain(silence: .milliseconds(150)) == [])
            try testbed.mend(1)
            pair.sendUp(3)
            pair.sendDown(3)
            #expect(try pair.server.receive(within: .seconds(2)) == 3)
            #expect(try pair.client.receive(within: .seconds(2)) == 3)
            #expect(try monitor.readEvents() == [])
            let statistics = try testbed.linkStatistics()[1]
            #expect(statistics.up.downDrops == 1 && statistics.down.downDrops == 1)
        }

        @Test("a link that went down comes up usable: no packet waits for ARP")
        func linkDownAndUp() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 1)
            for round in UInt8(1)...5 {
                pair.sendUp(100)
                try testbed.setLinkDown(1)
                // The rules keep its packets off the other path.
                #expect(pair.sendUp(101) != 0)
                #expect(try pair.server.receive(within: .milliseconds(80)) == nil)
                try testbed.prepareUp(1)
                let up = try testbed.setLinkUp(1)
                #expect(pair.sendUp(round) == 0)
                #expect(try pair.server.receive(within: .seconds(2)) == round)
                // One way is 30 ms; a round of ARP would take 60 ms more.
                #expect(MonotonicClock.now() - up < .milliseconds(60))
                pair.sendDown(round)
                #expect(try pair.client.receive(within: .seconds(2)) == round)
            }
            #expect(try testbed.verify() == [])
        }

        @Test(
            "IPv6 stays through a link that goes down, and its routes come back",
            arguments: [("wifi-lte-v6", 1), ("wifi-v6-lte-v4", 0)])
        func linkDownAndUpV6(name: String, path: Int) throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology(name))
            defer { testbed.tearDown() }
            let address = testbed.topology.paths[path].clientAddress
            let client = try RouteController(in: testbed.namespace(.client))
            for _ in 1...5 {
                try testbed.setLinkDown(path)
                let kept = try client.addresses().contains {
                    $0.address == address && !$0.isTentative
                }
                #expect(kept)
                #expect(try testbed.verify() != [])
                try testbed.prepareUp(path)
                try testbed.setLinkUp(path)
                #expect(try testbed.verify() == [])
            }
        }

        @Test("whoever hears that the link is up finds its route")
        func routeAtAnnouncement() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            try testbed.prepareDown(1)
            let monitor = try LinkEventMonitor(in: testbed.namespace(.client))
            let path = testbed.topology.paths[1]
            try testbed.prepareUp(1)
            try testbed.setLinkUp(1)
            var events = try monitor.readEvents()
            let up = events.firstIndex {
                if case .linkChanged(let link) = $0 {
                    link.name == path.interface && link.isUp
                } else {
                    false
                }
            }
            let neighbour = events.firstIndex {
                if case .neighbourChanged(let neighbour) = $0 {
                    neighbour.address == path.routerAddress && neighbour.isPermanent
                } else {
                    false
                }
            }
            let index = try #require(up)
            // It was announced before the link.
            #expect(try #require(neighbour) < index)
            events.removeFirst(index)
            let hasRoute = events.contains {
                if case .routeAdded(let route) = $0 { route.table == 102 } else { false }
            }
            #expect(hasRoute)
        }

        @Test("restoring brings everything back, and what was inside is gone")
        func restore() throws {
            let testbed = try TestPrograms.testbed(TestPrograms.topology("wifi-lte"))
            defer { testbed.tearDown() }
            try testbed.setLinkDown(0)
            _ = try testbed.cut(1)
            try testbed.restore()
            #expect(try testbed.verify() == [])
            let pair = try DatagramPair(testbed, path: 1)
            pair.sendUp(1)
            try testbed.restore()
            pair.sendUp(2)
            #expect(try pair.server.drain(silence: .milliseconds(150)) == [2])
        }
    }
}
