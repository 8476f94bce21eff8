import NetworkPrimitives
import Testing

@Suite("Order")
struct OrderTests {
    @Test("the partition point is the first that meets the predicate")
    func partition() {
        for count in 0..<20 {
            let numbers = (0..<count).map { $0 / 2 * 2 }
            for bound in -1...21 {
                let expected = numbers.firstIndex { $0 >= bound } ?? numbers.endIndex
                #expect(numbers.partitionPoint { $0 >= bound } == expected)
            }
        }
    }

    @Test("a slice keeps its indices")
    func slice() {
        let slice = Array(0..<10)[3..<8]
        #expect(slice.partitionPoint { $0 >= 5 } == 5)
        #expect(slice.partitionPoint { $0 >= 0 } == 3)
        #expect(slice.partitionPoint { _ in false } == 8)
    }

    @Test("a stable sort keeps the order of equal keys")
    func stable() {
        let words = ["bb", "a", "cc", "d", "aa", "b"]
        #expect(words.stablySorted(by: \.count) == ["a", "d", "b", "bb", "cc", "aa"])
    }
}
