internal import NetworkPrimitives
internal import WireFormat

/// Undoes what a box between the capture points did to ports, addresses and sequence numbers: what
/// was seen at the server is told in the client's words, so that a flow is one flow on both sides.
///
/// The two sides of a flow are known by what boxes leave alone in the SYN/ACK: the server's key of
/// MP_CAPABLE, HMAC and nonce of MP_JOIN, else both clocks of the timestamps option. A box that
/// forgets a flow and gives it another port in its middle is not seen through.
struct RewrittenFlows {
    /// What belongs to one handshake and no other.
    private enum Mark: Hashable {
        case key(Key)
        case join(hmac: UInt64, nonce: UInt32)
        case clocks(value: UInt32, echo: UInt32)
    }

    /// How to tell one side's packets in the other side's words.
    private struct Translation {
        /// The client's end as `local`, as the client has it.
        var tuple: FourTuple
        /// What to add to the client's and to the server's sequence numbers.
        var up: Int
        var down: Int
        /// The client's first SYN at the server's side; earlier packets are of an earlier connection.
        var start: Int64
    }

    /// By the client's end as `local`, as the server has it; in the order of their starts.
    private var translations: [FourTuple: [Translation]] = [:]

    /// Whether nothing was rewritten.
    var isEmpty: Bool { translations.isEmpty }

    /// Compares the handshakes at the two kinds of points. Points that do not say where they are
    /// take no part.
    init(_ records: [SegmentRecord], points: [TracePoint]) {
        let places = points.map(\.place)
        guard places.contains(.atClient), places.contains(.atServer) else { return }
        var originals: [Mark: SegmentRecord] = [:]
        var rewritten: [SegmentRecord] = []
        var starts: [FourTuple: [Int64]] = [:]
        for record in records where record.flags.contains(.syn) {
            switch places[record.point] {
            case .unknown: continue
            case .atClient:
                guard record.isSYNACK else { continue }
                for mark in Self.marks(record) where originals[mark] == nil {
                    originals[mark] = record
                }
            case .atServer:
                if record.isSYNACK { rewritten.append(record) }
                if record.isSYN { starts[record.tuple, default: []].append(record.time) }
            }
        }
        for record in rewritten.sorted(by: { $0.time < $1.time }) {
            guard let original = Self.marks(record).lazy.compactMap({ originals[$0] }).first else {
                continue
            }
            let down = record.sequence.distance(to: original.sequence)
            let up = record.acknowledgment.distance(to: original.acknowledgment)
            guard original.tuple != record.tuple || up != 0 || down != 0 else { continue }
            let tuple = record.tuple.reversed
            var new = Translation(
                tuple: original.tuple.reversed, up: up, down: down, start: .min)
            if let last = translations[tuple]?.last {
                // A SYN/ACK that is sent again says nothing new.
                if last.tuple == new.tuple, last.up == up, last.down == down { continue }
                new.start = starts[tuple]?.last { $0 <= record.time } ?? record.time
            }
            translations[tuple, default: []].append(new)
        }
    }

    private static func marks(_ record: SegmentRecord) -> [Mark] {
        var marks: [Mark] = []
        if let key = record.capable?.senderKey { marks.append(.key(key)) }
        if case .synACK(_, _, let hmac, let nonce) = record.join {
            marks.append(.join(hmac: hmac, nonce: nonce))
        }
        switch record.multimob {
        case .outSYNACK(_, _, let hmac, _): marks.append(.join(hmac: hmac, nonce: 0))
        case .inSYNACK(_, _, let hmac, let nonce): marks.append(.join(hmac: hmac, nonce: nonce))
        case .outSYN, .inSYN, nil: break
        }
        if let stamps = record.options.timestamps {
            marks.append(.clocks(value: stamps.value, echo: stamps.echo))
        }
        return marks
    }

    /// A packet that was seen at the server's side, as it is on the client's side.
    func original(_ record: SegmentRecord) -> SegmentRecord {
        let isUp = translations[record.tuple] != nil
        let tuple = isUp ? record.tuple : record.tuple.reversed
        guard let known = translations[tuple],
            let translation = known.last(where: { $0.start <= record.time })
        else { return record }
        var record = record
        record.tuple = isUp ? translation.tuple : translation.tuple.reversed
        record.sequence += isUp ? translation.up : translation.down
        if record.isAcknowledgment {
            record.acknowledgment += isUp ? translation.down : translation.up
        }
        return record
    }
}
