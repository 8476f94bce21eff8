import NetworkPrimitives
import TCP
import Testing
import WireFormat

@Suite struct HandshakeBehaviour {
    @Test func activeOpen() {
        let bench = Bench()
        let syn = bench.expect(.syn, 0)
        #expect(syn?.header.options.maximumSegmentSize == 1_460)
        #expect(syn?.header.options.windowScale == 7)
        #expect(syn?.header.options.isSACKPermitted == true)
        #expect(syn?.header.options.timestamps?.echo == 0)
        bench.advance(by: 30)
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.expect(.ack, 1, ack: 1, at: 30)
        #expect(bench.tcp.state == .established)
        #expect(bench.tcp.rtt.smoothedDuration == .milliseconds(30))
        bench.expectNothing(for: 100_000)
    }

    /// RFC 7323, 2.2 and RFC 2018, 2: options only in answer to the option.
    @Test func passiveOpenAnswersWithWhatWasOffered() {
        var options = Bench.synOptions
        options.windowScale = 3
        var bench = Bench(answering: options)
        let answer = bench.expect([.syn, .ack], 0, ack: 1)
        #expect(answer?.header.options.windowScale == 7)
        #expect(answer?.header.options.isSACKPermitted == true)
        #expect(answer?.header.options.timestamps == nil)
        bench.receive(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
        bench = Bench(answering: TCPOptions())
        let plain = bench.expect([.syn, .ack], 0, ack: 1)
        #expect(plain?.header.options.windowScale == nil)
        #expect(plain?.header.options.isSACKPermitted == false)
        #expect(plain?.header.options.maximumSegmentSize == 1_460)
    }

    /// RFC 6298, 5.5: one, two, four seconds; the seventh timeout gives up.
    @Test func unansweredSYN() {
        let bench = Bench()
        bench.advance(by: 200_000)
        let times = [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000]
        for time in times { bench.expect(.syn, 0, at: time) }
        bench.expectNothing()
        #expect(bench.closeReason == .timedOut)
    }

    /// RFC 6928, 2: whoever had to repeat its SYN more than once starts with one segment.
    @Test(arguments: [(1_500, 3), (3_500, 1)])
    func windowBehindLostSYNs(answeredAt: Int, segments: Int) {
        let bench = Bench()
        bench.advance(by: answeredAt)
        bench.peerOptions = Bench.synOptions
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.outbox = []
        bench.send(3_000)
        #expect(bench.outbox.count == segments)
    }

    /// One SYN/ACK is lost; our timer repeats it, and then the peer's repeated SYN has it repeated.
    @Test func windowBehindOneLostSYNACK() {
        let bench = Bench(answering: Bench.synOptions)
        bench.advance(by: 1_010)
        bench.receive(.syn, 0)
        bench.receive(.ack, 1, ack: 1)
        bench.outbox = []
        bench.send(3_000)
        #expect(bench.outbox.count == 3)
    }

    @Test func refused() {
        let bench = Bench()
        bench.outbox = []
        bench.receive([.rst, .ack], 0, ack: 0)
        #expect(bench.tcp.state == .synSent)
        bench.receive([.rst, .ack], 0, ack: 1)
        #expect(bench.closeReason == .refused)
        bench.expectNothing()
    }

    /// RFC 9293, 3.5, figure 8.
    @Test func simultaneousOpen() {
        let bench = Bench()
        bench.expect(.syn, 0)
        bench.receive(.syn, 0)
        bench.expect([.syn, .ack], 0, ack: 1)
        #expect(bench.tcp.state == .synReceived)
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.expect(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
    }

    /// The SYN/ACK was lost: the repeated SYN gets it again at once.
    @Test func repeatedSYN() {
        let bench = Bench(answering: Bench.synOptions)
        bench.expect([.syn, .ack], 0, ack: 1)
        bench.advance(by: 500)
        bench.receive(.syn, 0)
        bench.expect([.syn, .ack], 0, ack: 1, at: 500)
        bench.receive(.ack, 1, ack: 1)
        #expect(bench.tcp.state == .established)
    }

    /// The third packet was lost: the repeated SYN/ACK gets it again.
    @Test func repeatedSYNACK() {
        let bench = Bench.established()
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.expect(.ack, 1, ack: 1)
    }

    /// A wrong ACK in either handshake is answered with RST (RFC 9293, 3.10.7.3 and .4).
    @Test func wrongACK() {
        let opener = Bench()
        opener.receive([.syn, .ack], 0, ack: 7)
        #expect(opener.lastReception.answersWithReset)
        #expect(opener.tcp.state == .synSent)
        let listener = Bench(answering: Bench.synOptions)
        listener.receive(.ack, 1, ack: 7)
        #expect(listener.lastReception.answersWithReset)
        #expect(listener.tcp.state == .synReceived)
    }

    /// The echoed timestamp tells which SYN was answered: no three seconds (RFC 7323, 4.1).
    @Test func roundTripOfRepeatedSYN() {
        let bench = Bench()
        bench.advance(by: 1_000)
        bench.advance(by: 40)
        bench.peerOptions = Bench.synOptions
        bench.peerOptions.timestamps = Timestamps(value: 5, echo: 1_000)
        bench.receive([.syn, .ack], 0, ack: 1)
        #expect(bench.tcp.rtt.smoothedDuration == .milliseconds(40))
    }

    /// RFC 6298, 5.7: without timestamps data starts with three seconds.
    @Test func timeoutAfterRepeatedSYN() {
        var configuration = TCPConfiguration()
        configuration.offersTimestamps = false
        let bench = Bench(configuration)
        bench.advance(by: 1_040)
        bench.receive([.syn, .ack], 0, ack: 1)
        bench.outbox = []
        bench.send(100)
        bench.expect(.ack, 1, ack: 1, 100)
        bench.advance(by: 5_000)
        bench.expect(.ack, 1, ack: 1, 100, at: 4_040)
        bench.expectNothing()
    }

    /// A peer without the MSS option gets 536 octets; nobody gets below 88.
    @Test func segmentSize() {
        var options = TCPOptions()
        let plain = Bench.established(options: options)
        plain.send(600)
        plain.expect(.ack, 1, ack: 1, 536)
        options.maximumSegmentSize = 1
        let tiny = Bench.established(options: options)
        tiny.send(100)
        tiny.expect(.ack, 1, ack: 1, 88)
    }

    @Test func windowScaling() {
        var options = Bench.synOptions
        options.windowScale = 2
        let bench = Bench(answering: options)
        bench.outbox = []
        bench.peerWindow = 1_000
        bench.receive(.ack, 1, ack: 1)
        // 4000 octets, not 1000; the window that is advertised is scaled by seven.
        bench.send(6_000)
        for number in 0..<4 { bench.expect(.ack, 1 + 1_000 * number, ack: 1, 1_000) }
        bench.expectNothing()
        bench.tcp.receiveWindow = 256_000
        bench.receive(.ack, 1, ack: 1, 10)
        let answer = bench.expect(.ack, 4_001, ack: 11)
        #expect(answer.map { Int($0.header.window) << 7 } == 256_000)
    }
}
