import Middlebox
import NetworkPrimitives
import Testing
import Topology

@Suite("Middleboxes in testbed files")
struct MiddleboxParsingTests {
    private func text(_ boxes: String...) -> TestbedText {
        let entries = boxes.map { "  - { \($0) }\n" }.joined()
        return TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nmiddleboxes:\n\(entries)")
    }

    @Test("every box can be said, and another process reads the same")
    func everyBox() throws {
        let boxes = [
            "box: nat, idle: 30 s, forget-after: 100, refuse: true",
            "box: block, addresses: [10.0.9.1, '2001:db8::1'], ports: [80], inbound-syn: true",
            "box: block, everything: true, direction: down, after: 100, share: 50 %",
            "box: reset, aim: window, times: 3, direction: up, after: 9",
            "box: options, options: [mp-join, dss], segments: [syn, syn-ack], action: drop",
            "box: options", "box: mirror-options", "box: sequence, sack: false",
            "box: window, limit: 100", "box: mss, limit: 536", "box: timestamps, step: 1000",
            "box: handshake-text, action: trim", "box: split, size: 500, options: first",
            "box: coalesce, hold: 2 ms, limit: 1500, only-equal-options: true",
            "box: holes, acks: clamp", "box: acknowledge, direction: up, delay: 5 ms, loss: 1 %",
            "box: replace, find: handover, with: 'hand over', direction: up, times: 1",
            "box: prepend, text: 'Via: box', direction: down", "box: first-copy",
        ]
        let topology = try TestbedText(
            link: "rate: 1 Mbit/s\nrtt: 1 ms\nmiddleboxes:\n"
                + boxes.map { "  - { \($0) }" }.joined(separator: "\n")
        ).parse()
        let path = topology.paths[0]
        #expect(topology.hasMiddleboxes)
        #expect(path.middleboxes.count == boxes.count)
        for box in path.middleboxes {
            let copy = try PlannedMiddlebox(settings: box.settings)
            #expect(copy == box)
            let generator = SeededGenerator(seed: 1)
            #expect(
                String(describing: type(of: box.box(generator)))
                    == String(describing: type(of: copy.box(generator))))
        }
        #expect(path.middleboxes[1].settings[1] == .init("addresses", "10.0.9.1 2001:db8::1"))
        #expect(path.middleboxes[9].summary == "box mss, limit 536")
        #expect(path.middleboxes[0].box(SeededGenerator(seed: 1)) is AddressTranslator)
        #expect(path.middleboxes[4].box(SeededGenerator(seed: 1)) is OptionFilter)
    }

    @Test(
        "what is wrong is told with its place",
        arguments: [
            ("box: nate", "box", "'nate' is none of nat,", "nat"),
            ("idle: 3 s", "box", "is missing", nil),
            ("box: nat, idl: 3 s", "idl", "unknown key", "idle"),
            ("box: nat, size: 3", "size", "unknown key", nil),
            ("box: block", "box", "blocks nothing", nil),
            ("box: block, ports: [80, http]", "ports", "'http' is no port", nil),
            ("box: block, addresses: 10.0", "addresses", "'10.0' is no IP address", nil),
            ("box: split", "size", "is missing", nil),
            ("box: split, size: 500, options: firs", "options", "'firs' is none", "first"),
            ("box: options, options: [mptc]", "options", "'mptc' is none of", "mptcp"),
            ("box: acknowledge, direction: both", "direction", "'up' or 'down'", nil),
            ("box: replace, direction: up, find: x", "with", "is missing", nil),
            ("box: window, limit: 70000", "limit", "must lie between 0 and 65535", nil),
            ("box: coalesce, hold: 1 h", "hold", "unknown unit", "1 s"),
        ] as [(String, String, String, String?)])
    func mistakes(box: String, field: String, message: String, suggestion: String?) throws {
        let error = try #require(text("box: nat", box).failure())
        #expect(error.field == "paths[0].middleboxes[1].\(field)")
        #expect(error.message.contains(message), "\(error.message)")
        #expect(error.suggestion == suggestion)
        #expect(error.line == 10)
    }

    @Test("a list must stand there")
    func noList() throws {
        let error = TestbedText(link: "rate: 1 Mbit/s\nrtt: 1 ms\nmiddleboxes: nat").failure()
        #expect(error?.message.contains("a list") == true)
    }
}

extension MiddleboxParsingTests {
    @Test("merged packets fit the path")
    func coalescerLimit() throws {
        func parse(_ mtu: Int, _ box: String) throws -> PlannedMiddlebox? {
            try TestbedText(
                link: "mtu: \(mtu)\nrate: 1 Mbit/s\nrtt: 1 ms\nmiddleboxes:\n  - { \(box) }\n"
            ).parse().paths[0].middleboxes.first
        }
        #expect(throws: TopologyError.self) { try parse(1_500, "box: coalesce, limit: 1501") }
        #expect(try parse(9_000, "box: coalesce, limit: 9000") != nil)
        // Another process reads the settings and does not know the path.
        let small = try #require(try parse(600, "box: coalesce"))
        #expect(small.settings.contains(.init("limit", "600")))
        let usual = try #require(try parse(1_500, "box: coalesce"))
        #expect(!usual.settings.contains { $0.key == "limit" })
    }
}
