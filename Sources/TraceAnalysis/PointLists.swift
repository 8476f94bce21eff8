/// For each of many things a value at the few points that know it: memory grows with these values and
/// not with the number of all points.
struct PointLists<Value> {
    private struct Element {
        var point: Int32
        /// The next one of the same thing; -1 behind the last.
        var next: Int32
        var value: Value
    }

    private var elements: [Element] = []
    /// The first element of each thing; -1 for none.
    private var heads: [Int32] = []

    /// Adds a thing without values.
    mutating func append() { heads.append(-1) }

    /// The value of a thing at a point; `nil` where it has none. A value is never taken away.
    subscript(_ thing: Int, _ point: Int) -> Value? {
        get { index(thing, point).map { elements[$0].value } }
        set {
            guard let newValue else { return }
            if let known = index(thing, point) {
                elements[known].value = newValue
            } else {
                elements.append(
                    Element(point: Int32(point), next: heads[thing], value: newValue))
                heads[thing] = Int32(elements.count - 1)
            }
        }
    }

    /// The points at which a thing has a value, in no order.
    func points(of thing: Int) -> [Int] {
        var result: [Int] = []
        var next = heads[thing]
        while next >= 0 {
            result.append(Int(elements[Int(next)].point))
            next = elements[Int(next)].next
        }
        return result
    }

    private func index(_ thing: Int, _ point: Int) -> Int? {
        var next = heads[thing]
        while next >= 0 {
            if elements[Int(next)].point == point { return Int(next) }
            next = elements[Int(next)].next
        }
        return nil
    }
}
