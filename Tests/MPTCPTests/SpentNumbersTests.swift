import Testing

@testable import MPTCP

/// What SYNs of Fast Join as published have used up (fast-join, 2.1): each number counts once, in
/// bounded memory.
@Suite struct SpentNumbersTests {
    @Test func eachCountsOnce() {
        var numbers = SpentNumbers()
        let answers = [5, 7, 5, 7, 6].map { numbers.spend($0, from: 0) }
        #expect(answers == [true, true, false, false, true])
    }

    /// None is left before one could count twice; what the window has left behind makes room.
    @Test func memoryIsBounded() {
        var numbers = SpentNumbers()
        let taken = (0..<1_000).filter { numbers.spend($0, from: 0) }
        #expect(taken.count == 64)
        // Ten are below the window now.
        let answers = [taken[63], 2_000].map { numbers.spend($0, from: 10) }
        #expect(answers == [false, true])
    }
}
