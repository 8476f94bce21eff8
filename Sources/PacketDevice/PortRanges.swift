/// A set of ports, as net.ipv4.ip_local_reserved_ports writes it: `8080,9148-9150`.
package struct PortRanges: Hashable, Sendable {
    /// In order, without touching each other.
    package private(set) var ranges: [ClosedRange<UInt16>]

    /// The union of these ranges.
    package init(_ ranges: [ClosedRange<UInt16>] = []) {
        self.ranges = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = self.ranges.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
                self.ranges[self.ranges.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                self.ranges.append(range)
            }
        }
    }

    /// Reads the kernel's text; parts that are no ports are passed over.
    package init(parsing text: String) {
        self.init(
            text.split { $0 == "," || $0.isWhitespace }.compactMap { part in
                let ends = part.split(separator: "-").compactMap { UInt16($0) }
                guard let low = ends.first, let high = ends.last, low <= high else { return nil }
                return low...high
            })
    }

    package func contains(_ port: UInt16) -> Bool { ranges.contains { $0.contains(port) } }

    package func union(_ other: PortRanges) -> PortRanges { PortRanges(ranges + other.ranges) }

    package func subtracting(_ other: PortRanges) -> PortRanges {
        var left = ranges
        for hole in other.ranges {
            left = left.flatMap { range -> [ClosedRange<UInt16>] in
                guard range.overlaps(hole) else { return [range] }
                var parts: [ClosedRange<UInt16>] = []
                if range.lowerBound < hole.lowerBound {
                    parts.append(range.lowerBound...(hole.lowerBound - 1))
                }
                if range.upperBound > hole.upperBound {
                    parts.append((hole.upperBound + 1)...range.upperBound)
                }
                return parts
            }
        }
        return PortRanges(left)
    }
}

extension PortRanges: CustomStringConvertible {
    package var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
