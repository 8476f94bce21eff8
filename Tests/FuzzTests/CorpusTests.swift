import FuzzTargets
import LinuxSystem
import NetworkPrimitives
import Testing

/// Inputs that are kept, each as long as this repository lives: seeds from real captures, vectors
/// and random values that were encoded, and whatever once made a target fail.
@Suite("Fuzzing: corpus")
struct CorpusTests {
    static let directory =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Fuzzing/corpus"

    static func corpus(_ target: FuzzTarget) -> [String] {
        Directory.list("\(directory)/\(target.rawValue)").sorted()
            .map { "\(directory)/\(target.rawValue)/\($0)" }
    }

    @Test(arguments: FuzzTarget.allCases)
    func everyInputIsTaken(_ target: FuzzTarget) throws {
        let files = Self.corpus(target)
        #expect(!files.isEmpty, "\(target) has no seeds")
        for file in files {
            let found = try TextFile.bytes(file).withUnsafeBytes { target.run($0) }
            #expect(found.isEmpty, "\(file): \(found)")
        }
    }

    /// A short walk around the corpus; libFuzzer walks far (Fuzzing/README.md).
    /// `MPTCPCTL_FUZZ_MUTATIONS` and `MPTCPCTL_FUZZ_SEED` ask for a longer or another one.
    @Test(arguments: FuzzTarget.allCases)
    func mutationsAreTaken(_ target: FuzzTarget) throws {
        let seeds = try Self.corpus(target).map { try TextFile.bytes($0) }
        try #require(!seeds.isEmpty)
        let seed = UInt64(Environment.number("MPTCPCTL_FUZZ_SEED") ?? 1)
        var generator = SeededGenerator(seed: seed)
        let count = Environment.number("MPTCPCTL_FUZZ_MUTATIONS") ?? Self.mutations(target)
        var accepted = 0
        for number in 0..<count {
            var input = seeds[Int(generator.next() % UInt64(seeds.count))]
            input.mutate(&generator)
            let found = input.withUnsafeBytes { target.run($0) }
            #expect(found.isEmpty, "\(target), seed \(seed), mutation \(number): \(found)")
            if !found.isEmpty { return }
            if input.withUnsafeBytes(target.accepts) { accepted += 1 }
        }
        #expect(
            accepted >= count * Self.leastAccepted(target) / 100,
            "\(target), seed \(seed): \(accepted) of \(count) got past the first check")
    }

    /// Mutations must not be so wild that nothing gets past the first check: percent that have to.
    /// Most changes of a testbed's text make it one that is refused.
    private static func leastAccepted(_ target: FuzzTarget) -> Int {
        switch target {
        case .packet, .options: 20
        case .testbed: 2
        case .trace, .conversation: 100
        }
    }

    private static func mutations(_ target: FuzzTarget) -> Int {
        switch target {
        case .packet, .options: 20_000
        case .trace: 300
        case .testbed: 300
        case .conversation: 60
        }
    }
}
