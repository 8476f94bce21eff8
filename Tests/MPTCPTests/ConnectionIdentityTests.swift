import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

@Suite("Keys and tokens of new connections")
struct ConnectionIdentityTests {
    /// RFC 8684, 3.1: a key whose token is taken is not used.
    @Test(arguments: [HandshakeScheme.v1, .v0])
    func collision(scheme: HandshakeScheme) throws {
        var generator = SeededGenerator(seed: 3)
        var copy = generator
        let tokens = (0..<4).map { _ in scheme.token(of: Key(copy.next())) }
        var asked: [Token] = []
        let identity = try #require(
            ConnectionIdentity.draw(scheme, from: &generator) {
                asked.append($0)
                return tokens[..<3].contains($0)
            })
        #expect(asked == tokens)
        #expect(scheme.token(of: identity.key) == tokens[3])
    }

    /// No token is free: the connection will be plain TCP.
    @Test func exhaustion() {
        var generator = SeededGenerator(seed: 3)
        var tries = 0
        let identity = ConnectionIdentity.draw(.v1, from: &generator) { _ in
            tries += 1
            return true
        }
        #expect(identity == nil)
        #expect(tries == 10)
    }

    @Test func namesOfTheKernel() {
        let names = MIBCounter.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        var counters = MIBCounters()
        counters.count(.joinSYNReceived)
        counters.count(.removeAddressSent, times: 3)
        var sum = counters
        sum.add(counters)
        #expect(sum[.joinSYNReceived] == 2)
        #expect(sum.nonZero.map(\.name) == ["MPJoinSynRx", "RmAddrTx"])
        #expect(sum.nonZero.map(\.count) == [2, 6])
    }
}
