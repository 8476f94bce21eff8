import Middlebox
import NetworkPrimitives
import Testing
import WireFormat

@Suite struct BoxTests {
    private let dss: @Sendable (inout TCPOptions) -> Void = {
        $0.dss = DSS(dataACK: .full(5))
        $0.timestamps = Timestamps(value: 7, echo: 8)
    }

    @Test("an empty chain and a box that changes nothing pass packets octet for octet")
    func untouched() {
        var packet = Flow.up("hello", options: dss).encodedPacket()
        // Type of service, identification and time to live of another stack.
        packet[8] = 33
        var chain = MiddleboxChain([HoleBlocker()])
        #expect(chain.receive(packet, .up, now: .zero).first?.octets == packet)
        let datagram: [UInt8] = [0x45, 0, 0, 20] + [UInt8](repeating: 0, count: 16)
        #expect(chain.receive(datagram, .up, now: .zero).first?.octets == datagram)
        #expect(chain.touched == [0])
    }

    @Test("what a box does not look at stays: time to live, type of service, identification")
    func keepsHeader() throws {
        var packet = Flow.up("hello", options: dss).encodedPacket()
        (packet[1], packet[4], packet[5], packet[8]) = (0x48, 0x12, 0x34, 33)
        (packet[10], packet[11]) = (0, 0)
        var sum = InternetChecksum()
        packet.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<20])) }
        (packet[10], packet[11]) = (UInt8(sum.checksum >> 8), UInt8(sum.checksum & 0xff))
        var chain = MiddleboxChain([OptionFilter([.mptcp])])
        let result = try #require(chain.receive(packet, .up, now: .zero).first?.octets)
        #expect([result[1], result[4], result[5], result[8]] == [0x48, 0x12, 0x34, 33])
        let segment = try #require(try? Segment(parsing: result))
        #expect(segment.header.options.dss == nil && segment.header.options.timestamps != nil)
        #expect(segment.text == "hello")
    }

    @Test("options: by name, by part of the flow, after some packets; strip, drop, reset")
    func options() {
        var flow = Flow(OptionFilter([.mptcp], on: [.data]))
        flow.handshake()
        #expect(flow.send(Flow.up("", options: dss), .up).first?.segment.header.options.dss != nil)
        #expect(flow.send(Flow.up("x", options: dss), .up).first?.segment.header.options.dss == nil)
        #expect(flow.chain.touched == [1])

        flow = Flow(OptionFilter([.mptcp], selection: Selection([.down], after: 3)))
        flow.handshake()
        #expect(
            flow.send(Flow.down("x", options: dss), .down).first?.segment.header.options.dss != nil)
        #expect(flow.send(Flow.up("x", options: dss), .up).first?.segment.header.options.dss != nil)
        #expect(
            flow.send(Flow.down("x", options: dss), .down).first?.segment.header.options.dss == nil)

        flow = Flow(OptionFilter([.dss], .drop))
        #expect(flow.send(Flow.up("x", options: dss), .up).isEmpty)
        #expect(flow.send(Flow.up("x"), .up).count == 1)

        flow = Flow(OptionFilter([.dss], .reset))
        let refusals = flow.send(Flow.up("x", acknowledging: 4, options: dss), .up)
        #expect(refusals.map(\.direction) == [.down])
        #expect(refusals.first?.segment.header.flags == .rst)
        #expect(refusals.first?.segment.header.sequence == SequenceNumber(Flow.serverISN + 5))
    }

    @Test("a mirror copies the client's offer into a SYN/ACK without one")
    func mirror() {
        var flow = Flow(OptionMirror())
        _ = flow.send(Flow.up("", .syn) { $0.mptcp = [.capable(MPCapable())] }, .up)
        let answer = flow.send(Flow.down("", [.syn, .ack]), .down)
        #expect(answer.first?.segment.header.options.mptcp == [.capable(MPCapable())])
    }

    @Test("sequence numbers: one offset per direction, undone in ACK and, if at all, in SACK")
    func sequence() {
        for fixesSACK in [true, false] {
            var flow = Flow(
                SequenceRewriter(fixesSACK: fixesSACK, generator: SeededGenerator(seed: 1)))
            let syn = flow.send(Flow.up("", .syn), .up)[0].segment
            let shift = SequenceNumber(Flow.clientISN).distance(to: syn.header.sequence)
            #expect(shift != 0)
            let data = flow.send(Flow.up("abc", at: 10), .up)[0].segment
            #expect(data.upOffset == 10 + shift)
            let block = SACKBlock(
                left: data.header.sequence, right: data.header.sequence + 3)
            let answer = flow.send(
                Flow.down("", acknowledging: 10 + shift) { $0.sack = SACKBlocks([block]) }, .down)
            #expect(answer[0].segment.ackOffset == 10)
            let left = answer[0].segment.header.options.sack[0].left
            #expect(left == (fixesSACK ? block.left - shift : block.left))
        }
    }

    @Test("a NAT gives ports, takes only answers in, and forgets")
    func translator() {
        let address = IPAddress.v4(0xc633_6401)
        var flow = Flow(
            AddressTranslator(
                address: address, forgetting: .init(idleTime: .seconds(10), packets: 2)))
        let first = flow.send(Flow.up("", .syn), .up)[0].segment
        #expect(first.source == address && first.header.sourcePort == 20_000)
        var answer = Flow.down("", [.syn, .ack])
        answer.destination = address
        answer.header.destinationPort = 20_000
        let translated = flow.send(answer, .down)
        #expect(translated.first?.segment.destination == Flow.client.address)
        #expect(translated.first?.segment.header.destinationPort == Flow.client.port)
        answer.header.destinationPort = 20_001
        #expect(flow.send(answer, .down).isEmpty)
        let ports = (0..<5).map { _ in
            flow.send(Flow.up("x"), .up).first?.segment.header.sourcePort
        }
        #expect(ports == [20_000, 20_000, 20_001, 20_001, 20_001])
        flow.now = flow.now + .seconds(11)
        #expect(flow.send(Flow.up("x"), .up).first?.segment.header.sourcePort == 20_002)
    }

    @Test("a firewall drops by address, port, direction of the SYN and missing SYN")
    func firewall() {
        var rules = Firewall.Rules()
        rules.requiresSYN = true
        var flow = Flow(Firewall(rules))
        #expect(flow.send(Flow.up("x"), .up).isEmpty)
        flow.handshake()
        #expect(flow.send(Flow.up("x"), .up).count == 1)
        rules = Firewall.Rules()
        rules.blocksInboundSYN = true
        flow = Flow(Firewall(rules, refuses: true))
        let refusal = flow.send(Flow.down("", .syn), .down)
        #expect(refusal.map(\.direction) == [.up])
        #expect(refusal[0].segment.header.flags == [.rst, .ack])
        #expect(flow.send(Flow.up("", .syn), .up).count == 1)
        rules = Firewall.Rules()
        rules.ports = [5_000]
        flow = Flow(Firewall(rules))
        #expect(flow.send(Flow.up("", .syn), .up).isEmpty)
    }

    @Test("an injected RST follows the packet with the number that its aim says")
    func reset() {
        for (aim, offset) in [
            (ResetInjector.Aim.exact, 3), (.window, 1_003), (.outside, 3 + 1 << 30),
        ] {
            var flow = Flow(ResetInjector(aim, selection: Selection([.up], after: 2)))
            flow.handshake()
            let result = flow.send(Flow.up("abc"), .up)
            #expect(result.map(\.segment.header.flags) == [.ack, .rst])
            #expect(result.last?.segment.upOffset == offset)
            #expect(flow.send(Flow.up("def", at: 3), .up).count == 1)
        }
    }

    @Test("windows, MSS, clocks and text of SYNs")
    func headers() {
        var flow = Flow(
            WindowRewriter(limit: 10), MSSClamp(limit: 536), TimestampRewriter(step: 100),
            HandshakeTextFilter(.trim))
        let syn = flow.send(
            Flow.up("early", .syn) {
                $0.maximumSegmentSize = 1_460
                $0.timestamps = Timestamps(value: 1, echo: 2)
            }, .up)[0].segment
        #expect(syn.header.window == 10 && syn.payload.isEmpty)
        #expect(syn.header.options.maximumSegmentSize == 536)
        #expect(syn.header.options.timestamps == Timestamps(value: 101, echo: 2))
        flow = Flow(HandshakeTextFilter(.drop))
        #expect(flow.send(Flow.up("early", .syn), .up).isEmpty)
        #expect(flow.send(Flow.up("late"), .up).count == 1)
    }
}
