import Testing

@testable import Topology

@Suite("Spelling")
struct SpellingTests {
    @Test(
        "distances",
        arguments: [
            ("", "", 0), ("rtt", "rrt", 1), ("queue", "queeu", 1), ("p95", "p59", 1),
            ("rate", "", 4), ("rate", "raate", 1), ("rate", "rte", 1), ("loss", "lost", 1),
            ("abcd", "badc", 2),
        ])
    func distances(first: String, second: String, expected: Int) {
        #expect(Spelling.distance(first, second) == expected)
        #expect(Spelling.distance(second, first) == expected)
    }

    @Test func whatIsMeant() {
        let names = ["outage_ms", "resume_ms", "Mbit/s"]
        #expect(Spelling.closest(to: "outgae_ms", among: names) == "outage_ms")
        #expect(Spelling.closest(to: "resume", among: names) == "resume_ms")
        #expect(Spelling.closest(to: "MBIT/S", among: names) == "Mbit/s")
        #expect(Spelling.closest(to: "handover", among: names) == nil)
        #expect(Spelling.closest(to: "ou", among: names) == nil)
        #expect(Spelling.closest(to: String(repeating: "a", count: 41), among: names) == nil)
    }
}
