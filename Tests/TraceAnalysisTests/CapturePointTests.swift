import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

@Suite struct CapturePointTests {
    /// A small handover: data on path 0, lost there, reinjected on path 1.
    static func handover() -> TraceScript {
        var script = StreamTests.opened()
        script.data(sent: 200, arrived: 210, position: 1, offset: 0, length: 100)
        script.acknowledge(sent: 210, arrived: 220, position: 101, offset: 100)
        script.data(sent: 230, arrived: nil, position: 101, offset: 100, length: 100)
        script.data(path: 1, sent: 250, arrived: 280, position: 1, offset: 100, length: 100)
        script.acknowledge(path: 1, sent: 280, arrived: 310, position: 101, offset: 200)
        return script
    }

    static let unknownPoints = TraceScript.points.map { TracePoint($0.name) }

    @Test func theOrderOfPointsFollowsFromTheTimes() throws {
        let connection = try #require(
            Self.handover().report(points: Self.unknownPoints).connections.first)
        #expect(
            connection.subflows.map(\.uploadPlace) == [
                .bothEnds(send: 0, receive: 2), .bothEnds(send: 1, receive: 2),
            ])
        #expect(
            connection.subflows.map(\.downloadPlace) == [
                .bothEnds(send: 2, receive: 0), .bothEnds(send: 2, receive: 1),
            ])
        #expect(connection.subflows.map(\.points) == [[0, 2], [1, 2]])
        #expect(connection.upload.showsArrival)
        let transmission = try #require(connection.upload.transmissions.first)
        #expect(milliseconds(transmission.times.sent) == 200)
        #expect(milliseconds(transmission.times.arrived) == 210)
    }

    @Test func theServerSideAloneKnowsArrivals() throws {
        let report = Self.handover().report(points: Self.unknownPoints, only: [2])
        let connection = try #require(report.connections.first)
        #expect(connection.subflows[0].uploadPlace == .onePoint(2, .receiver))
        #expect(connection.subflows[0].downloadPlace == .onePoint(2, .sender))
        #expect(connection.upload.showsArrival)
        #expect(!connection.download.showsArrival)
        // It never saw the lost original: what the reinjection carries is new to it.
        #expect(connection.upload.reinjections.isEmpty)
        #expect(connection.upload.deliveredOffset == 200)
    }

    @Test func theClientSideAloneKnowsNoArrivals() throws {
        let report = Self.handover().report(points: Self.unknownPoints, only: [0, 1])
        let connection = try #require(report.connections.first)
        #expect(connection.subflows[0].uploadPlace == .onePoint(0, .sender))
        #expect(!connection.upload.showsArrival)
        #expect(connection.upload.reinjections.count == 1)
        #expect(connection.upload.dataACKs.map(\.offset).suffix(2) == [100, 200])
        #expect(connection.subflows[1].handshakeRoundTrip == .value(60_000_000))
    }

    @Test func oneDirectionOnly() throws {
        var script = Self.handover()
        script.packets.removeAll { $0.bytes[12..<16] == [10, 0, 9, 1] }
        let connection = try #require(script.report().connections.first)
        #expect(connection.clientKey == .value(TraceScript.clientKey))
        #expect(connection.upload.sentOctets == 200)
        #expect(connection.joins.first?.synACK == nil)
        #expect(connection.joins.first?.outcome == .established)
        #expect(
            connection.joins.first?.synACKHMAC == .unknown("nonces not in the captures"))
    }

    @Test func theMiddleOfAConnection() throws {
        var script = Self.handover()
        script.packets.removeAll { $0.time < 195_000_000 }
        let report = script.report()
        #expect(report.connections.count == 1)
        let connection = try #require(report.connections.first)
        #expect(connection.kind == .mptcpUnknownVersion)
        #expect(connection.isClientKnown == false)
        #expect(connection.client.address == TraceScript.wifi.address)
        #expect(connection.clientKey.reason == "keys not in the captures")
        #expect(connection.subflows.map(\.kind) == [.midstream, .midstream])
        #expect(connection.upload.reinjections.map(\.useful) == [100])
        #expect(
            connection.upload.origin
                == DataSequenceNumber(TraceScript.clientIDSN &+ 1))
        #expect(connection.upload.progress.last?.offset == 200)
        #expect(connection.subflows[0].handshakeRoundTrip.value == nil)
    }

    @Test func aSecondSightingAtTheSamePointIsNoRetransmission() throws {
        var script = Self.handover()
        // As with `tcpdump -i any` on a router.
        for packet in script.packets where packet.point == 2 {
            var again = packet
            again.time += 5_000
            script.packets.append(again)
        }
        let report = script.report()
        #expect(report.counts.repeated == script.packets.filter { $0.point == 2 }.count / 2)
        #expect(report.connections == Self.handover().report().connections)
    }

    @Test func packetsMayComeInAnyOrder() {
        let script = Self.handover()
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<20 {
            var shuffled = script
            shuffled.packets.shuffle(using: &generator)
            #expect(shuffled.report() == script.report())
        }
    }

    @Test func cutPacketsTellTheSame() {
        var script = Self.handover()
        let whole = script.report()
        for index in script.packets.indices {
            let bytes = script.packets[index].bytes
            let header = 20 + Int(bytes[32] >> 4) * 4
            script.packets[index].bytes = Array(bytes.prefix(header))
        }
        let cut = script.report()
        #expect(cut.connections == whole.connections)
        #expect(cut.counts.cut == 5)
    }

    @Test func otherPacketsAreCounted() {
        var analyzer = TraceAnalyzer(points: ["any"])
        let whole = Self.handover().packets[0].bytes
        var udp = whole
        udp[9] = 17
        Self.fixChecksum(&udp)
        var fragment = whole
        fragment[6] = 0x20
        Self.fixChecksum(&fragment)
        var super_ = whole
        super_[2] = 0xf0
        Self.fixChecksum(&super_)
        var noChecksum = whole
        noChecksum[10] = 0
        noChecksum[11] = 0
        var noLength = whole
        noLength[2] = 0
        noLength[3] = 0
        for bytes in [whole, udp, fragment, super_, noChecksum, noLength, [], [0x45], [0x00, 1]] {
            analyzer.add(TracePacket(time: 0, point: 0, bytes: bytes))
        }
        analyzer.add(TracePacket(time: .max, point: -1, bytes: whole))
        let counts = analyzer.finish().counts
        #expect(counts.packets == 10)
        #expect(counts.segments == 4)
        #expect(counts.otherProtocols == 1)
        #expect(counts.fragments == 1)
        #expect(counts.malformed == 4)
        #expect(counts.superPackets == 1)
        #expect(counts.cut == 1)
    }

    static func fixChecksum(_ bytes: inout [UInt8]) {
        bytes[10] = 0
        bytes[11] = 0
        var sum = InternetChecksum()
        bytes.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<20])) }
        bytes[10] = UInt8(sum.checksum >> 8)
        bytes[11] = UInt8(sum.checksum & 0xff)
    }
}

@Suite struct RobustnessTests {
    @Test func everyPrefixOfEveryPacket() {
        let packets = CapturePointTests.handover().packets
        for packet in packets {
            for length in 0..<packet.bytes.count {
                var analyzer = TraceAnalyzer(points: TraceScript.points)
                analyzer.add(
                    TracePacket(
                        time: packet.time, point: packet.point,
                        bytes: Array(packet.bytes.prefix(length)), wireLength: packet.wireLength))
                let counts = analyzer.finish().counts
                #expect(counts.segments + counts.malformed + counts.headersCut == 1)
            }
        }
    }

    /// Damaged packets, times and points: whatever the report says, it says it.
    @Test(arguments: 0..<40) func mutatedCaptures(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let whole = CapturePointTests.handover().packets
        for _ in 0..<25 {
            var analyzer = TraceAnalyzer(points: TraceScript.points)
            for packet in whole {
                var packet = packet
                for _ in 0..<Int.random(in: 0...3, using: &generator) {
                    let index = Int.random(in: 0..<packet.bytes.count, using: &generator)
                    packet.bytes[index] = UInt8.random(in: 0...255, using: &generator)
                }
                if packet.bytes.count > 20, Bool.random(using: &generator) {
                    CapturePointTests.fixChecksum(&packet.bytes)
                }
                switch Int.random(in: 0..<20, using: &generator) {
                case 0: packet.time = .max
                case 1: packet.time = .min
                case 2: packet.point = Int.random(in: -1...5, using: &generator)
                case 3: continue
                case 4: analyzer.add(packet)
                default: break
                }
                analyzer.add(packet)
            }
            let report = analyzer.finish()
            #expect(report.counts.packets >= report.counts.segments)
            ask(report)
        }
    }

    private func ask(_ report: TraceReport) {
        for direction in TraceDirection.allCases {
            let question = HandoverQuestion(
                breakTime: 230_000_000, makeTime: nil, direction: direction,
                paths: [
                    .init("wifi", clientAddresses: [TraceScript.wifi.address]),
                    .init("lte", clientAddresses: [TraceScript.lte.address]),
                ], oldPath: 0, newPath: 1, window: 0..<1_000_000_000)
            _ = HandoverMeasurement(report, question)
        }
    }
}
