package import NetworkPrimitives
internal import WireFormat

/// Changes text as an application-level gateway does (P1 to P3): replaces a word, or puts something at
/// the start of the stream, and keeps the sequence numbers of both directions consistent.
package struct PayloadRewriter: Middlebox {
    /// What is changed.
    package enum Change: Sendable {
        /// Each occurrence of a word within one segment.
        case replace([UInt8], with: [UInt8])
        /// Text before the first octet of the stream.
        case prepend([UInt8])
    }

    /// A piece of the stream that was replaced, in offsets from the octet behind the SYN.
    private struct Edit {
        var range: Range<Int>
        var replacement: [UInt8]
        /// Octets that the stream was longer before this edit.
        var shift: Int

        var shiftBehind: Int { shift + replacement.count - range.count }
    }

    private struct Stream {
        let start: SequenceNumber
        /// End of what was passed in order.
        var end = 0
        var edits: [Edit] = []

        /// The sender's number for one that the receiver acknowledges.
        func original(_ number: SequenceNumber) -> SequenceNumber {
            let offset = start.distance(to: number)
            guard offset >= 0 else { return number }
            for edit in edits.reversed() where offset >= edit.range.lowerBound + edit.shift {
                let inside = offset - edit.range.lowerBound - edit.shift
                // Within the replacement nothing of the original is acknowledged yet.
                return inside < edit.replacement.count
                    ? start + edit.range.lowerBound : start + offset - edit.shiftBehind
            }
            return start + offset
        }
    }

    private let change: Change
    /// The direction of the text that it changes.
    private let direction: TransitDirection
    /// Edits per flow.
    private let limit: Int
    private var streams: [FourTuple: Stream] = [:]
    /// Edits made.
    package private(set) var touched = 0

    package init(_ change: Change, _ direction: TransitDirection, limit: Int = .max) {
        self.change = change
        self.direction = direction
        self.limit = limit
    }

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        let flow = packet.flow(direction)
        if direction == self.direction {
            // A SYN that is sent again starts nothing anew.
            if packet.flags.contains(.syn), streams[flow]?.start != packet.end {
                streams[flow] = Stream(start: packet.end)
            }
            guard var stream = streams[flow], packet.flags.isDisjoint(with: [.syn, .rst]) else {
                return [Departure(packet, direction)]
            }
            let isPassed = rewrite(&packet, &stream)
            streams[flow] = stream
            return isPassed ? [Departure(packet, direction)] : []
        }
        if let stream = streams[flow], !stream.edits.isEmpty, packet.flags.contains(.ack) {
            let header = packet.segment.header
            packet.segment.header.acknowledgment = stream.original(header.acknowledgment)
            packet.segment.header.options.sack = SACKBlocks(
                header.options.sack.array.map {
                    SACKBlock(left: stream.original($0.left), right: stream.original($0.right))
                })
        }
        return [Departure(packet, direction)]
    }

    /// Returns whether the packet goes on: behind a hole nobody knows the shift.
    private mutating func rewrite(_ packet: inout TransitPacket, _ stream: inout Stream) -> Bool {
        let start = stream.start.distance(to: packet.segment.header.sequence)
        let end = start + packet.segment.payload.count
        guard start <= stream.end else { return false }
        if end > stream.end {
            if stream.edits.count < limit {
                find(packet.segment.payload, at: start, &stream)
            }
            stream.end = end
        }
        // FIN takes a number as well: what is sent behind it is no hole.
        if packet.flags.contains(.fin) { stream.end = max(stream.end, end + 1) }
        guard
            let first = stream.edits.first(where: {
                $0.range.upperBound > start || $0.range.isEmpty && $0.range.lowerBound == start
            })
        else {
            packet.segment.header.sequence += stream.edits.last?.shiftBehind ?? 0
            return true
        }
        // A retransmission that was cut inside an edit cannot be changed alike.
        guard first.range.lowerBound >= start else { return false }
        packet.segment.header.sequence += first.shift
        var text: [UInt8] = []
        var offset = start
        for edit in stream.edits
        where edit.range.lowerBound >= start && edit.range.upperBound <= end {
            guard !packet.segment.payload.isEmpty else { break }
            text += packet.segment.payload[(offset - start)..<(edit.range.lowerBound - start)]
            text += edit.replacement
            offset = edit.range.upperBound
        }
        guard
            !stream.edits.contains(where: { $0.range.lowerBound < end && $0.range.upperBound > end }
            )
        else { return false }
        text += packet.segment.payload[(offset - start)...]
        packet.setPayload(text)
        return true
    }

    private mutating func find(_ text: [UInt8], at start: Int, _ stream: inout Stream) {
        func append(_ range: Range<Int>, _ replacement: [UInt8]) {
            stream.edits.append(
                Edit(
                    range: range, replacement: replacement,
                    shift: stream.edits.last?.shiftBehind ?? 0))
        }
        switch change {
        case .prepend(let prefix):
            guard stream.edits.isEmpty, start == 0, !text.isEmpty else { return }
            touched += 1
            append(0..<0, prefix)
        case .replace(let word, let replacement):
            // Only text that was not seen before: a retransmission is changed as the first copy was.
            var index = max(stream.end - start, 0)
            while !word.isEmpty, index + word.count <= text.count, stream.edits.count < limit {
                if text[index..<(index + word.count)].elementsEqual(word) {
                    touched += 1
                    append((start + index)..<(start + index + word.count), replacement)
                    index += word.count
                } else {
                    index += 1
                }
            }
        }
    }
}

/// Remembers text and passes the first copy of it for every later one (R1). Counts retransmissions
/// that contradict what was sent before.
package struct RetransmissionNormalizer: Middlebox {
    private struct Key: Hashable {
        var flow: FourTuple
        var direction: TransitDirection
    }

    private struct Copy {
        let start: SequenceNumber
        /// Offset of the first octet that is still kept.
        var base = 0
        var text: [UInt8] = []
    }

    private var copies: [Key: Copy] = [:]
    /// Contradictions found.
    package private(set) var touched = 0
    /// Segments that were compared with an earlier copy.
    package private(set) var compared = 0
    private static let capacity = 1 << 20

    package init() {}

    package mutating func receive(
        _ packet: TransitPacket, _ direction: TransitDirection, now: Instant
    ) -> [Departure] {
        var packet = packet
        let key = Key(flow: packet.flow(direction), direction: direction)
        if packet.flags.contains(.syn) {
            if copies[key]?.start != packet.end { copies[key] = Copy(start: packet.end) }
            return [Departure(packet, direction)]
        }
        guard packet.hasPayload, var copy = copies.removeValue(forKey: key) else {
            return [Departure(packet, direction)]
        }
        let start = copy.start.distance(to: packet.segment.header.sequence)
        let known = copy.base + copy.text.count
        let text = packet.segment.payload
        if start >= copy.base, start < known {
            compared += 1
            let count = min(text.count, known - start)
            let first = copy.text[(start - copy.base)..<(start - copy.base + count)]
            if !first.elementsEqual(text[..<count]) {
                touched += 1
                packet.setPayload([UInt8](first) + text[count...])
            }
        }
        if start <= known, start + text.count > known {
            copy.text += text[(known - start)...]
            let excess = copy.text.count - Self.capacity
            if excess > 0 {
                copy.text.removeFirst(excess)
                copy.base += excess
            }
        }
        copies[key] = copy
        return [Departure(packet, direction)]
    }
}
