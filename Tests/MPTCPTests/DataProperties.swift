import NetworkPrimitives
import Testing
import WireFormat

@testable import MPTCP

/// Range lists and mapping tables against naive models, with random operations.
@Suite struct DataProperties {
    @Test(arguments: 0..<30 as Range<UInt64>)
    func rangesAgainstSet(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var list = RangeList()
        var model: Set<Int> = []
        for _ in 0..<200 {
            let low = Int.random(in: 0...200, using: &generator)
            let range = low..<(low + Int.random(in: 0...40, using: &generator))
            switch Int.random(in: 0..<5, using: &generator) {
            case 0...2:
                list.insert(range)
                model.formUnion(range)
            case 3:
                list.remove(range)
                model.subtract(range)
            default:
                list.removeAll(before: low / 4)
                model = model.filter { $0 >= low / 4 }
            }
            #expect(list.count == model.count, "seed \(seed)")
            #expect(list.ranges.allSatisfy { !$0.isEmpty }, "seed \(seed)")
            #expect(
                zip(list.ranges, list.ranges.dropFirst()).allSatisfy {
                    $0.upperBound < $1.lowerBound
                }, "seed \(seed)")
            let offset = Int.random(in: 0...240, using: &generator)
            #expect(list.contains(offset) == model.contains(offset), "seed \(seed)")
            let end = list.end(ofRangeContaining: offset)
            #expect((end != nil) == model.contains(offset))
            if let end { #expect(!model.contains(end) && model.contains(end - 1)) }
            if let start = list.start(behind: offset) {
                #expect(model.contains(start) && !model.contains(start - 1) && start > offset)
            }
        }
    }

    private func entry(_ subflow: Range<Int>, _ data: Int, checksum: UInt16? = nil)
        -> MappingTable.Entry
    {
        MappingTable.Entry(
            subflow: subflow, data: data, checksum: checksum,
            wireLength: UInt16(subflow.count), subflowSequenceNumber: UInt32(subflow.lowerBound + 1)
        )
    }

    /// The first mapping of an octet counts; the same line may come again in any cut.
    @Test(arguments: 0..<30 as Range<UInt64>)
    func mappingsAgainstMap(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = MappingTable()
        var consumed = 0
        // Two lines: data = subflow + 1000 below 500, data = subflow + 5000 above.
        for _ in 0..<300 {
            let low = Int.random(in: consumed...(consumed + 300), using: &generator)
            var high = low + Int.random(in: 1...60, using: &generator)
            if low < 500 { high = min(high, 500) }
            let shift = low < 500 ? 1_000 : 5_000
            #expect(throws: Never.self) {
                try table.learn(entry(low..<high, low + shift), consumed: consumed)
            }
            let probe = Int.random(in: consumed...(consumed + 400), using: &generator)
            if let found = table.entry(covering: probe) {
                let data = found.data + probe - found.subflow.lowerBound
                #expect(data == probe + (probe < 500 ? 1_000 : 5_000), "seed \(seed)")
            }
            if probe >= low, probe < high { #expect(table.entry(covering: probe) != nil) }
            if Int.random(in: 0..<6, using: &generator) == 0 {
                consumed = min(consumed + Int.random(in: 0...40, using: &generator), 900)
                table.discard(upTo: consumed)
            }
        }
    }

    @Test func conflictingMapping() throws {
        var table = MappingTable()
        try table.learn(entry(0..<100, 0), consumed: 0)
        try table.learn(entry(0..<100, 0), consumed: 0)
        try table.learn(entry(50..<150, 50), consumed: 0)
        #expect(table.entry(covering: 149)?.data == 0)
        #expect(throws: MappingTable.Problem.conflict) {
            try table.learn(entry(50..<150, 51), consumed: 0)
        }
        // A longer mapping on the first line must not swallow another line behind it.
        try table.learn(entry(200..<300, 900), consumed: 0)
        #expect(throws: MappingTable.Problem.conflict) {
            try table.learn(entry(140..<250, 140), consumed: 0)
        }
        // What is past does not matter.
        try table.learn(entry(0..<10, 77), consumed: 200)
    }

    @Test func tooManyMappings() throws {
        var table = MappingTable()
        for number in 0..<MappingTable.capacity {
            try table.learn(entry((2 * number)..<(2 * number + 1), number), consumed: 0)
        }
        #expect(throws: MappingTable.Problem.tooMany) {
            try table.learn(entry(100_000..<100_001, 5), consumed: 0)
        }
    }

    /// Numbers that lie nowhere near must not overflow (mptcp-behaviour, 19).
    @Test(arguments: [0, 1, UInt64.max, 1 << 63, 1 << 62, 0x7fff_ffff_ffff_ffff])
    func absurdNumbers(number: UInt64) {
        var data = DataState(
            initialDSN: DataSequenceNumber(UInt64.max - 2), receiveBuffer: 65_536)
        data.remoteInitialDSN = DataSequenceNumber(1 << 63)
        for offset in [data.sentOffset(of: .full(number)), data.receivedOffset(of: .full(number))] {
            if let offset { #expect(abs(offset) <= 1 << 48) }
        }
    }

    /// 32-bit numbers around the wrap of the low half, in both directions.
    @Test func shortNumbersWrap() {
        var data = DataState(
            initialDSN: DataSequenceNumber(0x1_ffff_fff0), receiveBuffer: 65_536)
        data.remoteInitialDSN = DataSequenceNumber(0x7_ffff_fffe)
        #expect(data.sentOffset(of: .low32(0xffff_fff1)) == 0)
        #expect(data.sentOffset(of: .low32(0x10)) == 31)
        #expect(data.receivedOffset(of: .low32(0x0)) == 1)
        #expect(data.receivedOffset(of: .low32(0xffff_fffe)) == -1)
    }
}
