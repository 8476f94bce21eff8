import Testing
import Topology

/// What a wrong file is told: place, field, message, suggestion.
@Suite("Wrong testbed files")
struct TopologyErrorTests {
    private func expect(
        _ text: TestbedText, field: String, message: String, suggestion: String? = nil,
        line: Int? = nil, column: Int? = nil, location: SourceLocation = #_sourceLocation
    ) {
        guard let error = text.failure() else {
            Issue.record("no error", sourceLocation: location)
            return
        }
        #expect(error.file == "test.yaml", sourceLocation: location)
        #expect(error.field == field, sourceLocation: location)
        #expect(
            error.message.contains(message), "\(error.message)", sourceLocation: location)
        #expect(error.suggestion == suggestion, sourceLocation: location)
        #expect(error.line != nil, sourceLocation: location)
        if let line { #expect(error.line == line, sourceLocation: location) }
        if let column { #expect(error.column == column, sourceLocation: location) }
    }

    @Test("an error prints as file, line, column, field, message and suggestion")
    func description() {
        let error = TestbedText(link: "rate: 50 Mbps\nrtt: 20 ms").failure()
        #expect(
            error?.description
                == "test.yaml:6:11: paths[0].rate: unknown unit 'Mbps': a rate is written in "
                + "Mbit/s, kbit/s, bit/s or Gbit/s (try '50 Mbit/s')")
    }

    @Test("unknown keys, with what was meant")
    func unknownKeys() {
        expect(
            TestbedText(head: "name: test\nservers: x"), field: "servers",
            message: "unknown key", suggestion: "server", line: 2, column: 1)
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nque: 5 ms"), field: "paths[0].que",
            message: "unknown key", suggestion: "queue", line: 8, column: 5)
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nqueeu: 5 ms"),
            field: "paths[0].queeu", message: "unknown key", suggestion: "queue")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\njiter: 5 ms"),
            field: "paths[0].jiter", message: "unknown key", suggestion: "jitter")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nup: { lost: 1 % }"),
            field: "paths[0].up.lost", message: "unknown key", suggestion: "loss")
        expect(
            TestbedText(server: "address: 10.0.9.1/24\nrouter: 10.0.9.254\nrate: 1 Mbit/s"),
            field: "server.rate", message: "the link to the server is ideal")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\ndelay: 1 ms\nup: { rtt: 2 ms }"),
            field: "paths[0].up.rtt", message: "here stands 'delay'")
    }

    @Test("a radio that sleeps")
    func promotion() {
        func link(_ text: String) -> TestbedText {
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\n" + text)
        }
        let path = "paths[0].promotion"
        expect(
            link("promotion: 260 ms"), field: path, message: "here must stand fields", line: 8,
            column: 16)
        expect(
            link("promotion: { tail: 10 s }"), field: path + ".delay", message: "is missing",
            line: 8)
        expect(link("promotion: { delay: 1 s }"), field: path + ".tail", message: "is missing")
        expect(
            link("promotion: { delay: 260, tail: 10 s }"), field: path + ".delay",
            message: "unit", suggestion: "260 ms")
        expect(
            link("promotion: { delay: 61 s, tail: 10 s }"), field: path + ".delay",
            message: "must lie between 1 ms and 60 s")
        expect(
            link("promotion: { delay: 1 s, tail: 10 s, power: 3 }"), field: path + ".power",
            message: "unknown key; here can stand delay, tail")
        expect(
            link("up: { promotion: { delay: 1 s, tail: 1 s } }"), field: "paths[0].up.promotion",
            message: "both directions share the radio")
        expect(
            TestbedText(
                server: "address: 10.0.9.1/24\nrouter: 10.0.9.254\n"
                    + "promotion: { delay: 1 s, tail: 1 s }"),
            field: "server.promotion", message: "the link to the server is ideal")
    }

    @Test("missing fields")
    func missing() {
        expect(TestbedText(head: "description: x"), field: "name", message: "is missing")
        expect(
            TestbedText(path: "name: wifi\nrouter: 10.0.1.1"), field: "paths[0].client",
            message: "is missing", line: 3, column: 5)
        expect(TestbedText(link: "rtt: 20 ms"), field: "paths[0].rate", message: "is missing")
        expect(TestbedText(link: "rate: 1 Mbit/s"), field: "paths[0].rtt", message: "is missing")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nup: { delay: 1 ms }"), field: "paths[0].rtt",
            message: "is missing")
        expect(
            TestbedText(server: "address: 10.0.9.1/24"), field: "server.router",
            message: "is missing")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nloss: { good-to-bad: 1 % }"),
            field: "paths[0].loss.bad-to-good", message: "is missing")
        expect(TestbedText(link: "rate:\nrtt: 1 ms"), field: "paths[0].rate", message: "missing")
    }

    @Test("a misspelt key is named before what is missing without it")
    func misspelt() {
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrrt: 20 ms"), field: "paths[0].rrt",
            message: "unknown key, and 'rtt' is missing", suggestion: "rtt", line: 7, column: 5)
        expect(
            TestbedText(link: "raet: 1 Mbit/s\nrtt: 20 ms"), field: "paths[0].raet",
            message: "unknown key, and 'rate' is missing", suggestion: "rate", line: 6)
        expect(
            TestbedText(head: "nmae: x"), field: "nmae",
            message: "unknown key, and 'name' is missing", suggestion: "name")
        expect(
            TestbedText(server: "adress: 10.0.9.1/24\nrouter: 10.0.9.254"),
            field: "server.adress", message: "unknown key, and 'address' is missing",
            suggestion: "address")
    }

    @Test(
        "octets are eight bits",
        arguments: [
            ("50 MB/s", "400 Mbit/s"), ("0.1 GB/s", "0.8 Gbit/s"), ("2kB/s", "16 kbit/s"),
            ("5 MBps", "40 Mbit/s"), ("50 Mb/s", "50 Mbit/s"), ("50 mbps", "50 Mbit/s"),
        ])
    func octets(rate: String, suggestion: String) {
        expect(
            TestbedText(link: "rate: \(rate)\nrtt: 20 ms"), field: "paths[0].rate",
            message: "unknown unit", suggestion: suggestion)
    }

    @Test("wrong units and numbers")
    func units() {
        expect(
            TestbedText(link: "rate: 50\nrtt: 20 ms"), field: "paths[0].rate",
            message: "a rate needs a unit", suggestion: "50 Mbit/s", line: 6, column: 11)
        expect(
            TestbedText(link: "rate: fast\nrtt: 20 ms"), field: "paths[0].rate",
            message: "'fast' is not a rate")
        expect(
            TestbedText(link: "rate: -1 Mbit/s\nrtt: 20 ms"), field: "paths[0].rate",
            message: "is not a rate")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 msec"), field: "paths[0].rtt",
            message: "unknown unit 'msec'", suggestion: "20 ms")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 ms\nloss: 0.5"), field: "paths[0].loss",
            message: "needs a unit", suggestion: "0.5 %")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 ms\nqueue: 64 pkts"),
            field: "paths[0].queue", message: "unknown unit", suggestion: "64 packets")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 ms\nreorder: maybe"),
            field: "paths[0].reorder", message: "neither true nor false")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 ms\nmtu: 1.5k"),
            field: "paths[0].mtu", message: "no whole number")
    }

    @Test("absurd values")
    func bounds() {
        let rtt = "\nrtt: 20 ms"
        for rate in ["99 bit/s", "101 Gbit/s", "999999999999999999 Gbit/s", "0 Mbit/s"] {
            expect(
                TestbedText(link: "rate: \(rate)\(rtt)"), field: "paths[0].rate",
                message: "between 100 bit/s and 100 Gbit/s")
        }
        let rate = "rate: 1 Mbit/s\n"
        expect(
            TestbedText(link: "\(rate)rtt: 121 s"), field: "paths[0].rtt",
            message: "between 0 s and 120 s")
        expect(
            TestbedText(link: "\(rate)rtt: 99999999999999999 s"), field: "paths[0].rtt",
            message: "absurdly")
        expect(
            TestbedText(link: "\(rate)rtt: 20 ms\nloss: 101 %"), field: "paths[0].loss",
            message: "between 0 % and 100 %")
        for mtu in [575, 9001, -1] {
            expect(
                TestbedText(link: "\(rate)rtt: 20 ms\nmtu: \(mtu)"), field: "paths[0].mtu",
                message: "between 576 and 9000")
        }
        for queue in ["0 packets", "1.5 packets", "0 ms", "601 s", "1 B", "0 BDP", "101 BDP"] {
            expect(
                TestbedText(link: "\(rate)rtt: 20 ms\nqueue: \(queue)"),
                field: "paths[0].queue", message: "must")
        }
        expect(
            TestbedText(link: "\(rate)rtt: 20 ms\njitter: 11 ms"), field: "paths[0].jitter",
            message: "greater than the delay")
        expect(
            TestbedText(link: "\(rate)rtt: 20 ms\nreorder: true"), field: "paths[0].reorder",
            message: "needs 'jitter'")
        expect(
            TestbedText(link: "rate: unlimited\nrtt: 20 ms\nqueue: 1 BDP"),
            field: "paths[0].queue", message: "no queue")
        expect(
            TestbedText(link: "\(rate)rtt: 20 ms\ndelay: 10 ms"), field: "paths[0].rtt",
            message: "say the same")
    }

    private func path(_ name: String, _ rest: String) -> String {
        "  - { name: \(name), \(rest), rate: 1 Mbit/s, rtt: 1 ms }"
    }

    @Test("what meets and must not")
    func collisions() {
        expect(
            TestbedText(more: path("wifi", "interface: b0, client: 10.0.2.2/24, router: 10.0.2.1")),
            field: "paths[1].name", message: "another path has the name")
        expect(
            TestbedText(
                more: path("lte", "interface: wifi0, client: 10.0.2.2/24, router: 10.0.2.1")),
            field: "paths[1].interface", message: "has an interface 'wifi0' already")
        expect(
            TestbedText(
                more: path("lte", "interface: server0, client: 10.0.2.2/24, router: 10.0.2.1")),
            field: "paths[1].interface", message: "has an interface 'server0' already")
        expect(
            TestbedText(more: path("lte", "client: 10.0.1.130/25, router: 10.0.1.129")),
            field: "paths[1].client",
            message: "10.0.1.128/25 overlaps 10.0.1.0/24 of paths[0].client")
        expect(
            TestbedText(server: "address: 10.0.1.9/24\nrouter: 10.0.1.254"),
            field: "paths[0].client", message: "overlaps")
        expect(
            TestbedText(link: "rate: 1 Mbit/s\nrtt: 20 ms\nrate: 2 Mbit/s"), field: "",
            message: "stands twice")
    }

    @Test("addresses")
    func addresses() {
        func path(_ client: String, _ router: String) -> TestbedText {
            TestbedText(path: "name: wifi\nclient: \(client)\nrouter: \(router)")
        }
        expect(
            path("10.0.1.2", "10.0.1.1"), field: "paths[0].client",
            message: "comes with its prefix length", suggestion: "10.0.1.2/24")
        expect(
            path("10.0.1.2/24", "10.0.2.1"), field: "paths[0].router",
            message: "10.0.2.1 lies outside 10.0.1.0/24")
        expect(
            path("10.0.1.2/24", "10.0.1.2"), field: "paths[0].router", message: "same address")
        expect(
            path("10.0.1.0/24", "10.0.1.1"), field: "paths[0].client", message: "network's own")
        expect(
            path("10.0.1.2/24", "10.0.1.255"), field: "paths[0].router", message: "broadcast")
        expect(
            path("10.0.1/24", "10.0.1.1"), field: "paths[0].client", message: "no IP address")
        expect(
            path("10.0.1.2/31", "10.0.1.1"), field: "paths[0].client",
            message: "between 8 and 30")
        expect(
            path("127.0.0.2/24", "127.0.0.1"), field: "paths[0].client", message: "cannot be")
        expect(
            path("224.0.1.2/24", "224.0.1.1"), field: "paths[0].client", message: "cannot be")
        expect(
            path("fd00::2/64", "fd00::1"), field: "paths[0].client",
            message: "the server has no IPv6 address")
    }

    @Test("IPv6 addresses, and two families at the server")
    func families() {
        func path(_ client: String, _ router: String) -> TestbedText {
            TestbedText(
                path: "name: wifi\nclient: '\(client)'\nrouter: '\(router)'",
                server: "address: fd00:9::1/64\nrouter: fd00:9::2")
        }
        func server(_ more: String) -> TestbedText {
            TestbedText(server: "address: 10.0.9.1/24\nrouter: 10.0.9.254\n\(more)")
        }
        #expect(path("fd00:1::2/64", "fd00:1::1").failure() == nil)
        expect(
            path("fd00:1::2", "fd00:1::1"), field: "paths[0].client",
            message: "prefix length", suggestion: "fd00:1::2/64")
        expect(
            path("fd00:1::2/127", "fd00:1::3"), field: "paths[0].client",
            message: "between 16 and 126")
        expect(
            path("fd00:1::2/64", "fd00:2::1"), field: "paths[0].router", message: "outside")
        expect(
            path("fd00:1::/64", "fd00:1::1"), field: "paths[0].client", message: "network's own")
        expect(
            path("fd00:9::7/48", "fd00:9::1"), field: "paths[0].client", message: "overlaps")
        for address in ["::2", "::1", "fe80::2", "ff02::2", "::ffff:10.0.1.2"] {
            expect(
                path("\(address)/64", "fd00:1::1"), field: "paths[0].client",
                message: "cannot be")
        }
        expect(
            path("10.0.1.2/24", "10.0.1.1"), field: "paths[0].client",
            message: "the server has no IPv4 address")
        let second = "second-address: fd00:9::1/64\n"
        #expect(server(second + "second-router: fd00:9::2").failure() == nil)
        expect(server(second), field: "server.second-router", message: "missing")
        expect(
            server("second-router: fd00:9::2"), field: "server.second-address",
            message: "missing")
        expect(
            server("second-address: 10.0.8.1/24\nsecond-router: 10.0.8.2"),
            field: "server.second-address", message: "family")
        // RFC 8200, 5.
        expect(
            server(second + "second-router: fd00:9::2\nmtu: 1279"), field: "server.mtu",
            message: "1280")
    }

    @Test("names of testbeds, paths and interfaces")
    func names() {
        expect(TestbedText(head: "name: A B"), field: "name", message: "lower-case")
        expect(TestbedText(head: "name: -a"), field: "name", message: "lower-case")
        func interface(_ name: String) -> TestbedText {
            TestbedText(
                path: "name: wifi\ninterface: '\(name)'\nclient: 10.0.1.2/24\nrouter: 10.0.1.1")
        }
        expect(
            interface("abcdefghijklmn"), field: "paths[0].interface",
            message: "more than 13 characters")
        #expect(interface("abcdefghijklm").failure() == nil)
        for name in ["lo", "0wifi", "a/b", "a b", "ü0", "all"] {
            expect(interface(name), field: "paths[0].interface", message: "is no name for")
        }
        expect(
            TestbedText(
                server: "interface: abcdefghijklmnop\naddress: 10.0.9.1/24\nrouter: 10.0.9.2"),
            field: "server.interface", message: "more than 15 characters")
    }

    @Test("what is no testbed file at all")
    func shape() {
        func failure(_ text: String) -> String? {
            do {
                _ = try Topology(parsing: text, file: "f")
                return nil
            } catch {
                return error.description
            }
        }
        #expect(failure("") == "f: is empty")
        #expect(failure("- a")?.hasPrefix("f:1:1: a testbed file is a list of fields") == true)
        #expect(failure("name: [")?.contains("no YAML") == true)
        #expect(failure("name: x\npaths: y\nserver: z")?.contains("must stand a list") == true)
        #expect(failure("name: x\npaths: []\nserver: {}")?.contains("1 to 16 paths") == true)
        #expect(failure("name: x\npaths: [a]\nserver: {}")?.contains("key: value") == true)
        #expect(failure("? [a]\n: b")?.contains("a key must be a word") == true)
        #expect(failure("name: {a: b}\n")?.contains("single value") == true)
        #expect(failure(String(repeating: "x", count: 70_000))?.contains("longer than") == true)
    }
}
