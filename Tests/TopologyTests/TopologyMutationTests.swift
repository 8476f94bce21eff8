import NetworkPrimitives
import Testing
import Topology

/// Whatever the bytes: a topology or an error, never a trap.
@Suite("Mutated testbed files")
struct TopologyMutationTests {
    private static let fragments = [
        "*a", "&a ", "{", "}", "[", "]", ": ", "- ", "\n", "  ", "!!binary ", "? ", "|\n", ">-\n",
        "%", "#", "'", "\"", "---\n", "...\n", "\u{0}", "é", "\u{1F4F6}", "1e999", ".inf", "0x7f",
        "999999999999999999999", "-1", "/33", "BDP", "unlimited", "<<: *a", "\t",
    ]

    @Test("never trap", arguments: 0..<8)
    func mutations(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var accepted = 0
        for _ in 0..<400 {
            let texts = BuiltInTestbeds.texts
            var bytes = Array(
                texts[Int.random(in: 0..<texts.count, using: &generator)].text.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                mutate(&bytes, &generator)
            }
            if (try? Topology(parsing: String(decoding: bytes, as: UTF8.self), file: "f")) != nil {
                accepted += 1
            }
        }
        // Otherwise the mutations would only ever test the first check.
        #expect(accepted > 0, "seed \(seed)")
    }

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let position = Int.random(in: 0..<max(bytes.count, 1), using: &generator)
        guard position < bytes.count else { return }
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: position)
        case 2:
            let fragment = Self.fragments[
                Int.random(in: 0..<Self.fragments.count, using: &generator)]
            bytes.insert(contentsOf: fragment.utf8, at: position)
        case 3:
            let end = min(position + Int.random(in: 1...40, using: &generator), bytes.count)
            bytes.insert(contentsOf: bytes[position..<end], at: position)
        default: bytes.removeSubrange(position...)
        }
    }

    @Test(
        "deep, wide and self-referring documents",
        arguments: [
            String(repeating: "[", count: 60_000), String(repeating: "- ", count: 30_000),
            String(repeating: "{a: ", count: 900) + "b" + String(repeating: "}", count: 900),
            String(repeating: "? ", count: 30_000),
            (0..<300).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
            "a: &a [*a]", "&a a: *a", "a: &a b\n" + String(repeating: "*a : 1\n", count: 100),
            "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n? *c\n: 1",
        ])
    func hostile(text: String) {
        #expect(throws: TopologyError.self) { try Topology(parsing: text, file: "f") }
    }
}
