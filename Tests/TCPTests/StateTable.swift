import NetworkPrimitives
import TCP
import Testing
import WireFormat

/// Every state against every kind of segment: what follows is a table that is compared as a whole.
@Suite struct StateTable {
    static var states: [(name: String, make: () -> Bench)] {
        [
            ("synSent", { Bench() }),
            ("synReceived", { Bench(answering: Bench.synOptions) }),
            ("established", { Bench.established() }),
            ("finWait1", { closed(Bench.established()) }),
            ("finWait2", { acknowledged(closed(Bench.established())) }),
            ("closing", { finished(closed(Bench.established())) }),
            ("timeWait", { finished(acknowledged(closed(Bench.established())), ack: 2) }),
            ("closeWait", { finished(Bench.established()) }),
            ("lastACK", { closed(finished(Bench.established())) }),
            ("closed", { aborted(Bench.established()) }),
        ]
    }

    static func closed(_ bench: Bench) -> Bench {
        bench.close()
        return bench
    }

    static func acknowledged(_ bench: Bench) -> Bench {
        bench.receive(.ack, 1, ack: 2)
        return bench
    }

    static func finished(_ bench: Bench, ack: Int = 1) -> Bench {
        bench.receive([.fin, .ack], 1, ack: ack)
        return bench
    }

    static func aborted(_ bench: Bench) -> Bench {
        bench.tcp.abort()
        bench.poll()
        return bench
    }

    static let kinds = [
        "syn", "syn+ack", "ack", "ack old", "ack future", "data", "data ahead", "data old",
        "fin", "rst exact", "rst near", "rst far", "no ack",
    ]

    private func receive(_ kind: String, _ bench: Bench) {
        let next = Bench.peer.distance(to: bench.tcp.receiveNext)
        let ack = Bench.local.distance(to: bench.tcp.sendNext)
        // In SYN-SENT nothing of the peer's is known yet.
        let here = bench.tcp.state == .synSent ? 1 : next
        switch kind {
        case "syn": bench.receive(.syn, bench.tcp.state == .synSent ? 0 : here)
        case "syn+ack": bench.receive([.syn, .ack], 0, ack: ack)
        case "ack": bench.receive(.ack, here, ack: ack)
        case "ack old": bench.receive(.ack, here, ack: ack - 200_000)
        case "ack future": bench.receive(.ack, here, ack: ack + 1)
        case "data": bench.receive(.ack, here, ack: ack, 10)
        case "data ahead": bench.receive(.ack, here + 100, ack: ack, 10)
        case "data old": bench.receive(.ack, here - 10, ack: ack, 10)
        case "fin": bench.receive([.fin, .ack], here, ack: ack)
        case "rst exact": bench.receive([.rst, .ack], here, ack: ack)
        case "rst near": bench.receive([.rst, .ack], here + 5, ack: ack)
        case "rst far": bench.receive([.rst, .ack], here + 100_000_000, ack: ack)
        default: bench.receive([], here, 10)
        }
    }

    func table() -> String {
        var lines: [String] = []
        for (name, make) in Self.states {
            for kind in Self.kinds {
                let bench = make()
                bench.outbox = []
                receive(kind, bench)
                var line = "\(name) <- \(kind): \(bench.tcp.state)"
                if bench.tcp.state == .closed, let reason = bench.closeReason {
                    line += " (\(reason))"
                }
                for (sent, _) in bench.outbox { line += ", \(Bench.name(sent.flags))" }
                if bench.lastReception.answersWithReset { line += ", reset" }
                if bench.lastReception.receivedBytes > 0 {
                    line += ", takes \(bench.lastReception.receivedBytes)"
                }
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }

    @Test func everyStateAgainstEverySegment() {
        let expected = Self.expected.split(separator: "\n")
        let actual = table().split(separator: "\n")
        #expect(actual.count == expected.count)
        for (line, wanted) in zip(actual, expected) { #expect(line == wanted) }
    }
}
