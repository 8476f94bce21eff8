import CongestionControl
import NetworkPrimitives
import TCP
import Testing
import WireFormat

@Suite struct TransferBehaviour {
    /// RFC 6298: SRTT + 4 RTTVAR = 300 ms at the first sample of 100 ms; the tail loss probe takes
    /// the timeout's place once (RFC 8985, 7.2), then it comes and doubles.
    @Test func retransmissionTimeout() {
        let bench = Bench.established(roundTrip: 100)
        bench.send(500)
        bench.expect(.ack, 1, ack: 1, 500, at: 100)
        bench.advance(by: 10_000)
        for time in [400, 700, 1_300, 2_500, 4_900, 9_700] {
            bench.expect(.ack, 1, ack: 1, 500, at: time)
        }
        bench.expectNothing()
        bench.receive(.ack, 1, ack: 501)
        bench.expectNothing(for: 100_000)
    }

    /// R2: the connection ends with RST.
    @Test func givesUp() {
        var configuration = TCPConfiguration()
        configuration.maximumRetransmissions = 3
        let bench = Bench.established(configuration)
        bench.send(500)
        bench.advance(by: 100_000)
        for _ in 0..<5 { bench.expect(.ack, 1, ack: 1, 500) }
        bench.expect([.rst, .ack], 501, ack: 1)
        bench.expectNothing()
        #expect(bench.closeReason == .timedOut)
    }

    /// RFC 8985 with SACK: what lies before later arrivals is sent again without a timeout.
    @Test func fastRetransmitWithSACK() {
        let bench = Bench.established()
        bench.send(5_000)
        for number in 0..<5 { bench.expect(.ack, 1 + 1_000 * number, ack: 1, 1_000) }
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<2_001])
        bench.expectNothing()
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<3_001])
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<4_001])
        bench.expect(.ack, 1, ack: 1, 1_000, at: 200)
        bench.expectNothing()
        #expect(bench.tcp.counters.fastRecoveries == 1)
        bench.receive(.ack, 1, ack: 5_001)
        bench.expectNothing(for: 10_000)
        #expect(bench.tcp.counters.timeouts == 0)
    }

    /// RFC 6582 without SACK: three duplicates, and a partial ACK shows the next hole.
    @Test func fastRetransmitWithoutSACK() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_000
        let bench = Bench.established(options: options)
        bench.send(5_000)
        bench.outbox = []
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 1)
        bench.receive(.ack, 1, ack: 1)
        bench.expectNothing()
        bench.receive(.ack, 1, ack: 1)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 200)
        bench.advance(by: 100)
        bench.receive(.ack, 1, ack: 2_001)
        bench.expect(.ack, 2_001, ack: 1, 1_000, at: 300)
        bench.receive(.ack, 1, ack: 5_001)
        bench.expectNothing(for: 10_000)
    }

    /// RFC 8684, 3: a duplicate ACK that carries an MPTCP signal says nothing about congestion.
    @Test func signalsAreNoDuplicates() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_000
        let bench = Bench.established(options: options)
        bench.send(5_000)
        bench.outbox = []
        bench.advance(by: 100)
        bench.peerOptions.mptcp = [.priority(isBackup: true, addressID: nil)]
        for _ in 0..<5 { bench.receive(.ack, 1, ack: 1) }
        bench.expectNothing()
    }

    /// RFC 8985, 7: two round trips after the last segment its tail is probed.
    @Test func tailLossProbe() {
        let bench = Bench.established()
        bench.send(2_000)
        bench.outbox = []
        bench.advance(by: 1_000)
        bench.expect(.ack, 1_001, ack: 1, 1_000, at: 302)
        #expect(bench.tcp.counters.lossProbes == 1)
        // Then the timeout, counted from the probe.
        bench.expect(.ack, 1, ack: 1, 1_000, at: 602)
    }

    /// tcp-base, 15.2: every second segment at once, a single one after 40 ms.
    @Test func delayedACK() {
        let bench = Bench.established()
        for number in 0..<16 {
            bench.receive(.ack, 1 + 1_000 * number, ack: 1, 1_000)
            bench.expect(.ack, 1, ack: 1_001 + 1_000 * number, at: 100)
        }
        bench.receive(.ack, 16_001, ack: 1, 1_000)
        bench.expectNothing(for: 39)
        bench.advance(by: 1)
        bench.expect(.ack, 1, ack: 17_001, at: 140)
        bench.receive(.ack, 17_001, ack: 1, 100)
        bench.expectNothing()
        bench.receive(.ack, 17_101, ack: 1, 100)
        bench.expect(.ack, 1, ack: 17_201, at: 140)
    }

    /// RFC 2018, 4 and RFC 2883, 4: gaps, newest first, and duplicates, once.
    @Test func selectiveAcknowledgment() {
        let bench = Bench.established()
        bench.receive(.ack, 1_001, ack: 1, 1_000)
        let first = bench.expect(.ack, 1, ack: 1)
        #expect(blocks(first) == [1_001..<2_001])
        bench.receive(.ack, 3_001, ack: 1, 1_000)
        #expect(blocks(bench.expect(.ack, 1, ack: 1)) == [3_001..<4_001, 1_001..<2_001])
        bench.receive(.ack, 1_001, ack: 1, 1_000)
        #expect(
            blocks(bench.expect(.ack, 1, ack: 1))
                == [1_001..<2_001, 1_001..<2_001, 3_001..<4_001])
        bench.receive(.ack, 1, ack: 1, 1_000)
        #expect(blocks(bench.expect(.ack, 1, ack: 2_001)) == [3_001..<4_001])
        bench.receive(.ack, 2_001, ack: 1, 1_000)
        #expect(blocks(bench.expect(.ack, 1, ack: 4_001)) == [])
        bench.receive(.ack, 2_001, ack: 1, 1_000)
        #expect(blocks(bench.expect(.ack, 1, ack: 4_001)) == [2_001..<3_001])
    }

    private func blocks(_ segment: OutgoingSegment?) -> [Range<Int>] {
        segment?.header.options.sack.array.map {
            Bench.peer.distance(to: $0.left)..<Bench.peer.distance(to: $0.right)
        } ?? []
    }

    /// RFC 9293, 3.8.6.1: a closed window is probed with growing patience, and what the peer
    /// dropped goes out as soon as the window opens.
    @Test func zeroWindowProbe() {
        let bench = Bench.established()
        bench.peerWindow = 0
        bench.receive(.ack, 1, ack: 1)
        bench.send(6_000)
        bench.expectNothing(for: 299)
        bench.advance(by: 1)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 400)
        bench.receive(.ack, 1, ack: 1)
        bench.advance(by: 1_000)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 700)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 1_300)
        bench.receive(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
        bench.peerWindow = 60_000
        bench.receive(.ack, 1, ack: 1)
        bench.expect(.ack, 1, ack: 1, 1_000, at: 1_400)
        bench.receive(.ack, 1, ack: 1_001)
        // A closed window is no congestion.
        for sequence in stride(from: 1_001, to: 6_001, by: 1_000) {
            bench.expect(.ack, sequence, ack: 1, 1_000, at: 1_400)
        }
    }

    /// RFC 2018, 8: the peer gives up what it had reported, and has no room for more: it is sent again
    /// all the same.
    @Test func renegingBehindAClosedWindow() {
        let bench = Bench.established()
        bench.send(5_000)
        bench.outbox = []
        bench.receive(.ack, 1, ack: 1, sack: [1_001..<5_001])
        bench.advance(by: 100)
        bench.expect(.ack, 1, ack: 1, 1_000)
        bench.peerWindow = 0
        bench.receive(.ack, 1, ack: 1_001)
        bench.expectNothing()
        bench.advance(by: 2_000)
        bench.expect(.ack, 1_001, ack: 1, 1_000)
    }

    /// A closed window that answers lives for ever; one that does not, does not.
    @Test func zeroWindowIsNoDeath() {
        let bench = Bench.established()
        bench.peerWindow = 0
        bench.receive(.ack, 1, ack: 1)
        bench.send(100)
        for _ in 0..<40 {
            while bench.outbox.isEmpty { bench.advance(by: 1_000) }
            bench.outbox = []
            bench.receive(.ack, 1, ack: 1)
        }
        #expect(bench.tcp.state == .established)
        bench.advance(by: 4_000_000)
        #expect(bench.closeReason == .timedOut)
    }

    /// Our own closed window: text is refused, its ACK counts (RFC 9293, 3.10.7.4).
    @Test func ownZeroWindow() {
        let bench = Bench.established()
        bench.send(500)
        bench.outbox = []
        bench.tcp.receiveWindow = 0
        // The right edge stays where it was advertised: the window shrinks as data comes in.
        var sequence = 1
        while bench.tcp.receiveNext != Bench.peer + 65_536 {
            bench.receive(.ack, sequence, ack: 1, min(1_000, 65_536 - sequence))
            sequence += min(1_000, 65_536 - sequence)
        }
        bench.outbox = []
        bench.receive(.ack, 65_536, ack: 501, 1)
        #expect(bench.lastReception.acknowledgedBytes == 500)
        #expect(bench.lastReception.receivedBytes == 0)
        bench.expect(.ack, 501, ack: 65_536)
    }

    @Test func keepAlive() {
        var configuration = TCPConfiguration()
        configuration.keepAliveIdle = .seconds(10)
        configuration.keepAliveInterval = .seconds(2)
        configuration.keepAliveProbes = 2
        let bench = Bench.established(configuration)
        bench.advance(by: 11_000)
        bench.expect(.ack, 0, ack: 1, at: 10_100)
        bench.receive(.ack, 1, ack: 1)
        bench.advance(by: 100_000)
        bench.expect(.ack, 0, ack: 1, at: 21_100)
        bench.expect(.ack, 0, ack: 1, at: 23_100)
        bench.expect([.rst, .ack], 1, ack: 1, at: 25_100)
        #expect(bench.closeReason == .timedOut)
    }

    /// A segment never holds octets of two mappings, and repeats its mapping verbatim
    /// (mptcp-behaviour, 5.2).
    @Test func mappingsStayApart() {
        let bench = Bench.established()
        var source = SendBuffer()
        let bytes = [UInt8](repeating: 7, count: 3_000)
        bytes.withUnsafeBytes { source.append($0) }
        func mapping(_ offset: Int, _ length: Int) -> SegmentMapping {
            SegmentMapping(
                dataSequenceNumber: DataSequenceNumber(UInt64(offset)),
                subflowSequenceNumber: UInt32(offset + 1), length: UInt16(length), checksum: nil)
        }
        bench.tcp.send(0..<300, of: source, mapping: mapping(0, 300))
        bench.tcp.send(300..<1_800, of: source, mapping: mapping(300, 1_500))
        bench.tcp.send(1_800..<1_900, of: source, mapping: mapping(1_800, 100))
        bench.poll()
        #expect(bench.expect(.ack, 1, ack: 1, 300)?.mapping == mapping(0, 300))
        #expect(bench.expect(.ack, 301, ack: 1, 1_000)?.mapping == mapping(300, 1_500))
        #expect(bench.expect(.ack, 1_301, ack: 1, 500)?.mapping == mapping(300, 1_500))
        #expect(bench.expect(.ack, 1_801, ack: 1, 100)?.mapping == mapping(1_800, 100))
        // The path carries less now: the retransmission is cut, the mapping is not.
        bench.receive(.ack, 1, ack: 301)
        bench.tcp.reduceMTU(to: 640, now: bench.now)
        bench.poll()
        #expect(bench.expect(.ack, 301, ack: 1, 600)?.mapping == mapping(300, 1_500))
        bench.receive(.ack, 1, ack: 901, sack: [1_301..<1_901])
        #expect(bench.expect(.ack, 901, ack: 1, 400)?.mapping == mapping(300, 1_500))
    }

    /// RFC 5681, 4.1 and RFC 6928: ten segments at first, and again after an idle time.
    @Test func initialWindowAndRestart() {
        let bench = Bench.established()
        bench.send(40_000)
        #expect(bench.outbox.count == 10)
        for number in 1...10 { bench.receive(.ack, 1, ack: 1 + 1_000 * number) }
        #expect(bench.outbox.count == 30)
        bench.receive(.ack, 1, ack: 30_001)
        bench.receive(.ack, 1, ack: 40_001)
        bench.outbox = []
        bench.advance(by: 5_000)
        bench.send(40_000)
        #expect(bench.outbox.count == 10)
    }
}
