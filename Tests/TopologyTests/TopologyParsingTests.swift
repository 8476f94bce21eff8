import LinkModel
import NetworkPrimitives
import Testing
import Topology

@Suite("Testbed files")
struct TopologyParsingTests {
    @Test("the files of testbeds/ are the built-in ones")
    func builtIn() {
        #expect(RepositoryFiles.names() == BuiltInTestbeds.texts.map(\.name))
        for (name, text) in BuiltInTestbeds.texts {
            #expect(
                RepositoryFiles.read("\(RepositoryFiles.testbeds)/\(name).yaml") == text,
                "copy testbeds/\(name).yaml into BuiltInTestbeds.swift")
        }
    }

    @Test("wifi-lte is what it says")
    func wifiLTE() throws {
        let topology = try Self.builtIn("wifi-lte")
        #expect(topology.name == "wifi-lte")
        #expect(topology.paths.map(\.name) == ["wifi", "lte"])
        #expect(topology.paths.map(\.interface) == ["wifi0", "lte0"])
        let wifi = topology.paths[0]
        #expect(wifi.clientAddress == IPAddress("10.0.1.2"))
        #expect(wifi.routerAddress == IPAddress("10.0.1.1"))
        #expect(wifi.prefixLength == 24 && wifi.mtu == 1500)
        #expect(wifi.up == wifi.down)
        #expect(wifi.up.rate == BitRate(bitsPerSecond: 50_000_000))
        #expect(wifi.up.oneWayDelay == .milliseconds(10))
        #expect(wifi.up.queue == .time(.milliseconds(40)))
        #expect(wifi.up.loss == .none)
        let lte = topology.paths[1]
        #expect(lte.up.rate == BitRate(bitsPerSecond: 20_000_000))
        #expect(lte.roundTripTime == .milliseconds(60))
        #expect(topology.server.address == IPAddress("10.0.9.1"))
        #expect(topology.server.routerAddress == IPAddress("10.0.9.254"))
        #expect(topology.server.interface == "eth0")
        #expect(topology.server.routerInterface == "server0")
        #expect(topology.path(named: "lte") == 1)
    }

    @Test("the other files hold the published figures")
    func others() throws {
        let sigcomm = try Self.builtIn("sigcomm20")
        #expect(sigcomm.paths.map(\.roundTripTime) == [.milliseconds(40), .milliseconds(30)])
        #expect(sigcomm.paths.allSatisfy { $0.up.rate?.bitsPerSecond == 100_000_000 })
        let multimob = try Self.builtIn("multimob")
        #expect(multimob.paths.map(\.roundTripTime) == [.milliseconds(15), .milliseconds(25)])
        // 10 Mbit/s for 15 ms and for 25 ms.
        #expect(multimob.paths.map(\.up.queue) == [.bytes(18_750), .bytes(31_250)])
        let satellite = try Self.builtIn("satellite")
        #expect(satellite.paths.count == 4)
        #expect(satellite.paths.allSatisfy { $0.down.rate?.bitsPerSecond == 2_400 })
        #expect(satellite.paths.allSatisfy { $0.up.oneWayDelay == .milliseconds(900) })
        #expect(satellite.paths.allSatisfy { $0.mtu == 576 })
    }

    @Test("a radio that sleeps is the path's, and no business of netem")
    func promotion() throws {
        let text = TestbedText(
            link: "rate: 1 Mbit/s\nrtt: 1 ms\npromotion: { delay: 260 ms, tail: 10 s }")
        let topology = try text.parse()
        #expect(
            topology.paths[0].promotion
                == RadioPromotion(delay: .milliseconds(260), tail: .seconds(10)))
        #expect(topology.needsRelay && !topology.hasMiddleboxes)
        let commands = TestbedPlan(topology, emulation: .relay).commands { $0.rawValue }
        #expect(
            commands.contains {
                $0.hasSuffix("; radio asleep 10000 ms after traffic, awake in 260 ms")
            }, "\(commands)")
        let plain = try TestbedText().parse()
        #expect(plain.paths[0].promotion == nil && !plain.needsRelay)
    }

    @Test("paths of other families find the server's address of theirs")
    func families() throws {
        let v6 = try Self.builtIn("wifi-lte-v6")
        #expect(v6.server.subnets.count == 1 && v6.usesV6)
        #expect(v6.paths.allSatisfy(\.clientAddress.isV6) && v6.announcedAddresses.isEmpty)
        #expect(v6.paths[0].prefixLength == 64)
        let mixed = try Self.builtIn("wifi-v6-lte-v4")
        #expect(mixed.paths.map(\.clientAddress.isV6) == [true, false] && mixed.usesV6)
        #expect(mixed.serverAddress(path: 0) == IPAddress("2001:db8:9::1"))
        #expect(mixed.serverAddress(path: 1) == IPAddress("10.0.9.1"))
        // What a client over WiFi cannot know.
        #expect(mixed.announcedAddresses == [.v4(0x0a00_0901)])
        let v4 = try Self.builtIn("wifi-lte")
        #expect(!v4.usesV6 && v4.announcedAddresses.isEmpty)
    }

    @Test("each direction may differ, and every property can be said")
    func directions() throws {
        let topology = try TestbedText(
            link: """
                rate: 8 Mbit/s
                delay: 5 ms
                queue: 64 packets
                loss: 0.5 %
                up:
                  rate: 1.5 Mbit/s
                  jitter: 2500 us
                  reorder: true
                  queue: 20 kB
                  loss:
                    good-to-bad: 1 %
                    bad-to-good: 25 %
                    loss-in-bad: 50 %
                down:
                  delay: 7 ms
                  duplication: 1 %
                  corruption: 0.1 %
                """
        ).parse()
        let path = topology.paths[0]
        #expect(path.up.rate == BitRate(bitsPerSecond: 1_500_000))
        #expect(path.up.oneWayDelay == .milliseconds(5))
        #expect(path.up.jitter == .microseconds(2_500) && path.up.reorders)
        #expect(path.up.queue == .bytes(20_000))
        #expect(
            path.up.loss
                == .gilbertElliott(
                    goodToBad: 0.01, badToGood: 0.25, lossInGood: 0, lossInBad: 0.5))
        #expect(path.down.rate == BitRate(bitsPerSecond: 8_000_000))
        #expect(path.down.oneWayDelay == .milliseconds(7))
        #expect(path.down.queue == .packets(64))
        #expect(path.down.loss == .bernoulli(0.005))
        #expect(path.down.duplication == 0.01 && path.down.corruption == 0.001)
        #expect(path.roundTripTime == .milliseconds(12))
    }

    @Test("a bandwidth-delay product takes the direction's rate and the round trip")
    func bandwidthDelayProduct() throws {
        let path = try TestbedText(
            link: """
                rate: 8 Mbit/s
                rtt: 100 ms
                queue: 0.5 BDP
                up: { rate: 16 Mbit/s }
                """
        ).parse().paths[0]
        #expect(path.up.queue == .bytes(100_000))
        #expect(path.down.queue == .bytes(50_000))
        // Never less than a packet.
        let thin = try TestbedText(link: "rate: 1 kbit/s\nrtt: 1 ms\nqueue: 1 BDP").parse()
        #expect(thin.paths[0].up.queue == .bytes(1_514))
    }

    @Test("an unlimited rate is a rate")
    func unlimited() throws {
        let path = try TestbedText(link: "rate: unlimited\nrtt: 10 ms").parse().paths[0]
        #expect(path.up.rate == nil)
        #expect(path.up.oneWayDelay == .milliseconds(5))
    }

    private static func builtIn(_ name: String) throws -> Topology {
        let text = try #require(BuiltInTestbeds.text(named: name))
        return try Topology(parsing: text, file: "\(name).yaml")
    }
}

/// A testbed file with one path that can be changed piece by piece.
struct TestbedText {
    var head = "name: test"
    var path = "name: wifi\nclient: 10.0.1.2/24\nrouter: 10.0.1.1"
    var link = "rate: 50 Mbit/s\nrtt: 20 ms"
    var more = ""
    var server = "address: 10.0.9.1/24\nrouter: 10.0.9.254"

    var text: String {
        func indented(_ text: String, _ indent: String) -> String {
            text.split(separator: "\n").map { "\(indent)\($0)" }.joined(separator: "\n")
        }
        let entry = indented(path + "\n" + link, "    ").dropFirst(4)
        return """
            \(head)
            paths:
              - \(entry)
            \(more)
            server:
            \(indented(server, "  "))

            """
    }

    func parse() throws(TopologyError) -> Topology {
        try Topology(parsing: text, file: "test.yaml")
    }

    /// The error that the text gives, `nil` when it gives none.
    func failure() -> TopologyError? {
        do {
            _ = try parse()
            return nil
        } catch {
            return error
        }
    }
}
