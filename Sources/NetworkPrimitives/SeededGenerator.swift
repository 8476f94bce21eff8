/// xoshiro256** seeded through SplitMix64: the project's only source of pseudo-randomness in pure
/// code. Fast, reproducible from the seed, and no source of secrets: a few numbers betray the next. A
/// stack derives its secrets by a keyed function (`HostSecrets`).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// The generator of this seed.
    public init(seed: UInt64) {
        var mixer = seed
        func next() -> UInt64 {
            mixer &+= 0x9e37_79b9_7f4a_7c15
            var z = mixer
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }

    /// A generator of its own for a part of the whole, so that what one part draws does not move
    /// the others.
    public mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }

    /// A number in [0, 1).
    public mutating func unitInterval() -> Double { Double(next() >> 11) * 0x1p-53 }

    private func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}
