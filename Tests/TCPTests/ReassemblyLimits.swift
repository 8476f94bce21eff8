import Testing
import WireFormat

@testable import TCP

/// What a peer can make a reassembly buffer keep.
@Suite struct ReassemblyLimits {
    private func insert(
        _ buffer: inout ReassemblyBuffer, _ offset: Int, _ count: Int = 1
    ) -> ReassemblyBuffer.Insertion {
        [UInt8](repeating: 7, count: count).withUnsafeBytes { buffer.insert($0, at: offset) }
    }

    /// One octet at the end of the window takes the memory of the window.
    @Test func memoryOfGap() {
        var buffer = ReassemblyBuffer()
        #expect(buffer.memoryCount == 0)
        _ = insert(&buffer, (4 << 20) - 1)
        #expect(buffer.queuedCount == 1)
        #expect(buffer.memoryCount >= 4 << 20)
    }

    /// Ranges beyond the limit are not taken; what joins others, or is next, still is.
    @Test func rangesAreBounded() {
        var buffer = ReassemblyBuffer()
        let limit = ReassemblyBuffer.maximumRanges
        for number in 1...(limit + 500) {
            let insertion = insert(&buffer, 2 * number)
            #expect(insertion.newBytes == (number <= limit ? 1 : 0))
            #expect((insertion.outOfOrderRange != nil) == (number <= limit))
        }
        #expect(buffer.outOfOrder.count == limit && buffer.outOfOrderCount == limit)
        #expect(insert(&buffer, 3).outOfOrderRange == 2..<5)
        #expect(insert(&buffer, 2 * limit + 1, 4).newBytes == 4)
        #expect(buffer.outOfOrder.count == limit - 1 && buffer.outOfOrderCount == limit + 5)
        #expect(insert(&buffer, 0, 2).advanced == 5)
        #expect(insert(&buffer, 0, 2 * limit + 9).advanced == 2 * limit + 4)
        #expect(buffer.outOfOrder.isEmpty && buffer.outOfOrderCount == 0)
        #expect(buffer.readableCount == 2 * limit + 9)
    }
}
