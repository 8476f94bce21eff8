import HostStack
import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

@Suite("Secrets") struct SecretScenarios {
    /// The numbers on the wire are not those of the generator of the stack's seed: whoever has seen some
    /// of them could compute its state, and with it the keys of everybody else.
    @Test func numbersBetrayNothing() {
        let network = TwoPathNetwork(.full, upload: 5_000, download: 5_000, seed: 3)
        network.recordsPackets = true
        #expect(network.run(.seconds(3)))
        network.expectIntact()
        network.connectAgain(upload: 5_000, download: 5_000)
        #expect(network.run(.seconds(3)))
        var seeds = SeededGenerator(seed: 3)
        var predictable: Set<UInt64> = []
        for _ in 0..<2 {
            var generator = SeededGenerator(seed: seeds.next())
            for _ in 0..<200 {
                let number = generator.next()
                predictable.formUnion([number, number & 0xffff_ffff])
            }
        }
        var keys: Set<UInt64> = []
        for sighting in network.sightings {
            let segment = sighting.segment
            if segment.isSYN || segment.isSYNACK, !segment.isJoin {
                #expect(!predictable.contains(UInt64(segment.header.sequence.rawValue)))
            }
            for case .capable(let capable) in segment.header.options.mptcp {
                let both = [capable.senderKey, capable.receiverKey]
                keys.formUnion(both.compactMap { $0?.rawValue })
            }
        }
        #expect(keys.count == 4)
        #expect(keys.isDisjoint(with: predictable))
    }
}
