import Middlebox
import NetworkPrimitives
import Testing
import WireFormat

@Suite struct TextTests {
    private let dss: @Sendable (inout TCPOptions) -> Void = { $0.dss = DSS(dataACK: .full(5)) }

    @Test("pieces hold the text in order; FIN is on the last, options where they are told to be")
    func split() {
        for (placement, expected) in [
            (OptionPlacement.all, [true, true, true]), (.first, [true, false, false]),
            (.last, [false, false, true]),
        ] {
            var flow = Flow(Splitter(size: 2, options: placement))
            let pieces = flow.send(Flow.up("abcde", at: 7, [.ack, .fin, .psh], options: dss), .up)
            #expect(pieces.map(\.segment.text) == ["ab", "cd", "e"])
            #expect(pieces.map(\.segment.upOffset) == [7, 9, 11])
            #expect(pieces.map { $0.segment.header.options.dss != nil } == expected)
            #expect(
                pieces.map { $0.segment.header.flags }
                    == [.ack, .ack, [.ack, .fin, .psh]])
        }
    }

    @Test("segments in a row become one with the options of the first; others flush it")
    func coalesce() {
        var flow = Flow(Coalescer(limit: 1_500, holdTime: .milliseconds(2)))
        #expect(flow.send(Flow.up("ab", options: dss), .up).isEmpty)
        #expect(flow.send(Flow.up("cd", at: 2, acknowledging: 9), .up).isEmpty)
        let merged = flow.wait()
        #expect(merged.map(\.segment.text) == ["abcd"])
        #expect(merged[0].segment.header.options.dss != nil)
        #expect(merged[0].segment.header.acknowledgment == SequenceNumber(Flow.serverISN + 10))
        #expect(flow.chain.deadline == nil)
        // A hole, an ACK without text, and the other direction.
        #expect(flow.send(Flow.up("ef", at: 4), .up).isEmpty)
        #expect(flow.send(Flow.down("x"), .down).isEmpty)
        #expect(flow.send(Flow.up("ij", at: 8), .up).map(\.segment.text) == ["ef"])
        #expect(flow.send(Flow.up("", at: 10), .up).map(\.segment.text) == ["ij", ""])
        #expect(flow.wait().map(\.segment.text) == ["x"])

        flow = Flow(Coalescer(limit: 1_500, holdTime: .milliseconds(2), onlyEqual: true))
        #expect(flow.send(Flow.up("ab", options: dss), .up).isEmpty)
        #expect(flow.send(Flow.up("cd", at: 2), .up).map(\.segment.text) == ["ab"])
    }

    @Test("nothing passes behind a hole, and ACKs of it are what the policy says")
    func holes() {
        var flow = Flow(HoleBlocker(unseenACKs: .clamp))
        flow.handshake()
        #expect(flow.send(Flow.up("ab"), .up).count == 1)
        #expect(flow.send(Flow.up("ef", at: 4), .up).isEmpty)
        #expect(flow.send(Flow.down("", acknowledging: 6), .down)[0].segment.ackOffset == 2)
        #expect(flow.send(Flow.up("abcd", at: 0), .up).count == 1)
        #expect(flow.send(Flow.up("ef", at: 4), .up).count == 1)
        #expect(flow.send(Flow.down("", acknowledging: 6), .down)[0].segment.ackOffset == 6)
        flow = Flow(HoleBlocker(unseenACKs: .drop))
        flow.handshake()
        #expect(flow.send(Flow.down("", acknowledging: 6), .down).isEmpty)
    }

    @Test("a proxy acknowledges in the receiver's name and delivers later, or never")
    func proxy() {
        var flow = Flow(
            AcknowledgingProxy(
                .up, delay: .milliseconds(5), generator: SeededGenerator(seed: 1)))
        flow.handshake()
        let answers = flow.send(Flow.up("abc"), .up)
        #expect(answers.map(\.direction) == [.down])
        #expect(answers[0].segment.ackOffset == 3 && answers[0].segment.payload.isEmpty)
        #expect(answers[0].segment.source == Flow.server.address)
        // Out of order: nothing to acknowledge.
        #expect(flow.send(Flow.up("xyz", at: 10), .up).isEmpty)
        #expect(flow.wait().map(\.segment.text) == ["abc", "xyz"])
        flow = Flow(
            AcknowledgingProxy(
                .up, delay: .zero, lostShare: 1, generator: SeededGenerator(seed: 1)))
        flow.handshake()
        #expect(flow.send(Flow.up("abc"), .up).map(\.direction) == [.down])
        #expect(flow.chain.deadline == nil)
    }

    @Test("a longer word moves what follows, there and back; retransmissions are changed alike")
    func replace() {
        let change = PayloadRewriter.Change.replace([UInt8]("b".utf8), with: [UInt8]("BBB".utf8))
        var flow = Flow(PayloadRewriter(change, .up))
        flow.handshake()
        #expect(flow.send(Flow.up("abc"), .up)[0].segment.text == "aBBBc")
        let second = flow.send(Flow.up("xbb", at: 3), .up)[0].segment
        #expect(second.text == "xBBBBBB" && second.upOffset == 5)
        let third = flow.send(Flow.up("z", at: 6, [.ack, .fin]), .up)[0].segment
        #expect(third.upOffset == 12)
        for (there, back) in [(0, 0), (1, 1), (3, 1), (4, 2), (5, 3), (6, 4), (12, 6), (13, 7)] {
            let answer = flow.send(Flow.down("", acknowledging: there), .down)[0].segment
            #expect(answer.ackOffset == back, "\(there)")
        }
        #expect(flow.send(Flow.up("abc"), .up)[0].segment.text == "aBBBc")
        let again = flow.send(Flow.up("bz", at: 5), .up)[0].segment
        #expect(again.text == "BBBz" && again.upOffset == 9)
        // Nobody knows what stands in the hole.
        #expect(flow.send(Flow.up("y", at: 20), .up).isEmpty)
        #expect(flow.chain.touched == [3])
    }

    @Test("a text of the same length moves nothing")
    func equalLength() {
        let change = PayloadRewriter.Change.replace(
            [UInt8]("handover".utf8), with: [UInt8]("hijacked".utf8))
        var flow = Flow(PayloadRewriter(change, .down, limit: 1))
        flow.handshake()
        #expect(
            flow.send(Flow.down("a handover, a handover"), .down)[0].segment.text
                == "a hijacked, a handover")
        #expect(flow.send(Flow.up("", acknowledging: 22), .up).count == 1)
    }

    @Test("a header before the first octet")
    func prepend() {
        var flow = Flow(PayloadRewriter(.prepend([UInt8]("Via\n".utf8)), .up))
        flow.handshake()
        #expect(flow.send(Flow.up(""), .up)[0].segment.upOffset == 0)
        for _ in 0..<2 {
            let first = flow.send(Flow.up("get"), .up)[0].segment
            #expect(first.text == "Via\nget" && first.upOffset == 0)
        }
        #expect(flow.send(Flow.up("x", at: 3), .up)[0].segment.upOffset == 7)
        #expect(flow.send(Flow.down("", acknowledging: 4), .down)[0].segment.ackOffset == 0)
        #expect(flow.send(Flow.down("", acknowledging: 7), .down)[0].segment.ackOffset == 3)
    }

    @Test("the first copy of a text is the one that passes")
    func firstCopy() {
        var flow = Flow(RetransmissionNormalizer())
        flow.handshake()
        #expect(flow.send(Flow.up("abcd"), .up)[0].segment.text == "abcd")
        #expect(flow.send(Flow.up("cd", at: 2), .up)[0].segment.text == "cd")
        #expect(flow.chain.touched == [0])
        #expect(flow.send(Flow.up("bXde", at: 1), .up)[0].segment.text == "bcde")
        #expect(flow.chain.touched == [1])
    }
}
