import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

/// Captures that do not show what was sent as it was sent, or that are made to mislead.
@Suite struct UnusualCaptureTests {
    // MARK: Segments that are cut or merged on the way

    /// Segments of 200 octets leave, and arrive in halves.
    private static func halved() -> TraceScript {
        var script = TraceScript()
        script.open(at: 0)
        for index in 0..<3 {
            let time = 100 + 20 * Double(index)
            let position = 1 + 200 * index
            script.data(
                sent: time, arrived: nil, position: position, offset: 200 * index, length: 200)
            for half in [0, 100] {
                script.data(
                    sent: nil, arrived: time + 10, position: position + half,
                    offset: 200 * index + half, length: 100)
            }
        }
        return script
    }

    @Test func piecesOfWhatWasSentAreNoRetransmissions() throws {
        let connection = try #require(Self.halved().report().connections.first)
        let upload = connection.upload
        #expect(upload.octets(.first) == 600)
        #expect(upload.octets(.retransmission) == 0)
        #expect(upload.transmissions.filter { $0.kind == .arrival }.count == 6)
        #expect(upload.deliveredOffset == 600)
        #expect(upload.progress.map { milliseconds($0.time) } == [110, 130, 150])
        #expect(connection.subflows.first?.client.payload == 600)
        // SYN, third ACK and what left.
        #expect(connection.subflows.first?.client.packets == 5)
    }

    @Test func mergersOfWhatWasSentAreNoRetransmissions() throws {
        var script = StreamTests.opened()
        script.data(sent: 200, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(sent: 201, arrived: nil, position: 101, offset: 100, length: 100)
        script.data(sent: nil, arrived: 211, position: 1, offset: 0, length: 200)
        // A copy on the other path, merged as well.
        script.data(path: 1, sent: 220, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(path: 1, sent: 221, arrived: nil, position: 101, offset: 100, length: 100)
        script.data(path: 1, sent: nil, arrived: 251, position: 1, offset: 0, length: 200)
        let upload = try StreamTests.upload(script)
        #expect(upload.octets(.first) == 200)
        #expect(upload.octets(.retransmission) == 0)
        #expect(upload.octets(.reinjection) == 200)
        #expect(upload.reinjections.map(\.redundant) == [100, 100])
    }

    /// What the capture at the sender dropped was sent all the same.
    @Test func whatNoPacketCarriedBeforeWasSent() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.data(sent: 100, arrived: 110, position: 1, offset: 0, length: 100)
        script.data(sent: nil, arrived: 130, position: 101, offset: 100, length: 100)
        let upload = try StreamTests.upload(script)
        #expect(upload.octets(.first) == 200)
        #expect(upload.transmissions.last?.times.sent == nil)
    }

    // MARK: One end only

    @Test func theServerSideAloneDoesNotKnowWhatLeft() throws {
        let report = CapturePointTests.handover().report(
            points: CapturePointTests.unknownPoints, only: [2])
        let connection = try #require(report.connections.first)
        #expect(connection.subflows[0].handshakeRoundTrip.reason == "not captured at the opener")
        #expect(connection.subflows[0].synACKArrival.reason == "not captured at the opener")
        #expect(!connection.upload.showsDeparture)
        #expect(connection.download.showsDeparture)
        let transmission = try #require(connection.upload.transmissions.first)
        #expect(transmission.times.sent == nil)
        #expect(milliseconds(transmission.times.arrived) == 210)
        let join = try #require(connection.joins.first)
        #expect(join.syns.first?.sent == nil)
        #expect(join.synACK?.arrived == nil)
        let result = try #require(
            HandoverMeasurement(report, HandoverMeasurementTests.question(breakAt: 225)))
        let reason = "what left the sender was not captured"
        #expect(result.usefulReinjectedOctets.reason == reason)
        #expect(result.reinjectionDelays.reason == reason)
        #expect(result.hadAllArrivedAtReady.reason == reason)
        #expect(result.connect.reason == "not captured at the opener")
    }

    // MARK: Handshakes

    @Test func aRepeatedSYNHidesTheRoundTripButNotTheTimeToConnect() throws {
        var script = TraceScript()
        script.segment(
            fromClient: true, sent: 0, arrived: nil, flags: .syn, position: 0,
            options: [.capable(MPCapable())])
        script.open(at: 1_000)
        script.data(sent: 1_100, arrived: 1_110, position: 1, offset: 0, length: 100)
        let result = try HandoverMeasurementTests.measure(
            script, HandoverMeasurementTests.question(breakAt: nil, end: 2_000))
        #expect(milliseconds(result.connect.value) == 1_020)
        let subflow = try #require(script.report().connections.first?.subflows.first)
        #expect(subflow.handshakeRoundTrip.reason == "SYN was retransmitted")
    }

    @Test func aJoinWhoseDataNobodyAnsweredIsOpen() throws {
        var script = TraceScript()
        script.open(at: 0)
        let join = MPTCPOption.join(
            .syn(
                isBackup: false, addressID: AddressID(2), token: TraceScript.serverToken,
                nonce: TraceScript.clientNonce))
        script.segment(
            path: 1, fromClient: true, sent: 100, arrived: 130, flags: .syn, position: 0,
            payload: 100, options: [join])
        let connection = try #require(script.report().connections.first)
        #expect(connection.joins.map(\.outcome) == [.open])
    }

    /// Somebody sends a SYN on the four-tuple of a connection: it is answered with an ACK at most.
    @Test func aStraySYNDoesNotEndAConnection() throws {
        var script = CapturePointTests.handover()
        let whole = try #require(script.report().connections.first)
        for time in [222.0, 1_222] {
            script.segment(
                fromClient: true, sent: time, arrived: time + 10, flags: .syn, position: 0,
                sequence: 77_777_777)
        }
        let report = script.report()
        #expect(report.connections.count == 2)
        #expect(report.connections[0].upload == whole.upload)
        #expect(report.connections[0].subflows == whole.subflows)
        #expect(report.connections[1].subflows.map(\.client.packets) == [2])
    }

    /// The same four-tuple in use again, with the SYN answered.
    @Test func anAnsweredSYNBeginsAConnection() throws {
        var script = CapturePointTests.handover()
        script.segment(
            fromClient: true, sent: 1_000, arrived: 1_010, flags: .syn, position: 0,
            sequence: 77_777_777)
        var answer = TraceScript()
        answer.segment(
            fromClient: false, sent: 1_010, arrived: 1_020, flags: [.syn, .ack], position: 0,
            acknowledges: 77_777_778 - 1_000)
        script.packets += answer.packets
        let report = script.report()
        #expect(report.connections.count == 2)
        #expect(report.connections[1].subflows.map(\.server.packets) == [1])
    }

    // MARK: Packets cut inside their headers

    @Test func cutHeadersAreNotDamage() {
        var script = CapturePointTests.handover()
        for index in script.packets.indices {
            let length = script.packets[index].bytes.count
            script.packets[index].wireLength = length
            script.packets[index].bytes = Array(script.packets[index].bytes.prefix(40))
        }
        let counts = script.report().counts
        #expect(counts.malformed == 0)
        #expect(counts.headersCut > 0)
        #expect(counts.headersCut + counts.segments == counts.packets)
    }

    // MARK: Many connections

    /// Four thousand connections whose handshakes were not captured: a comparison of each with each
    /// would take minutes.
    @Test func manyConnectionsFromTheirMiddle() {
        var generator = SeededGenerator(seed: 3)
        var script = TraceScript()
        script.data(sent: 0, arrived: nil, position: 1, offset: 0, length: 10)
        let model = script.packets[0].bytes
        var analyzer = TraceAnalyzer(points: ["eth0"])
        for index in 0..<4_000 {
            var bytes = model
            bytes[14] = UInt8(index >> 8)
            bytes[15] = UInt8(index & 0xff)
            // The data sequence number, behind four octets of DSS.
            for place in 44..<52 { bytes[place] = UInt8.random(in: 0...255, using: &generator) }
            CapturePointTests.fixChecksum(&bytes)
            analyzer.add(TracePacket(time: Int64(index), point: 0, bytes: bytes))
        }
        let start = ContinuousClock.now
        #expect(analyzer.finish().connections.count == 4_000)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    /// A point costs something for the packets that it saw only.
    @Test func manyPointsOfWhichEachSawLittle() throws {
        let script = CapturePointTests.handover()
        let points = (0..<1_000).map { TracePoint("point \($0)") }
        var analyzer = TraceAnalyzer(points: points)
        for packet in script.packets {
            var packet = packet
            packet.point += 990
            analyzer.add(packet)
        }
        let connection = try #require(analyzer.finish().connections.first)
        #expect(connection.subflows.map(\.points) == [[990, 992], [991, 992]])
        #expect(connection.upload == script.report().connections.first?.upload)
    }
}

@Suite struct ReinjectionOfTheLostSubflowTests {
    /// Only what was sent on the lost path before the break had been lost with it.
    @Test func whatWasSentLaterIsNotOfTheBreak() throws {
        var script = HandoverMeasurementTests.streaming(isBackupJoined: true)
        // Sent on the old path behind the break, and then on the new one.
        script.data(sent: 260, arrived: nil, position: 801, offset: 800, length: 100)
        script.data(path: 1, sent: 270, arrived: 300, position: 1, offset: 700, length: 100)
        script.data(path: 1, sent: 290, arrived: 320, position: 101, offset: 800, length: 100)
        let result = try HandoverMeasurementTests.measure(
            script, HandoverMeasurementTests.question())
        #expect(result.usefulReinjectedOctets == .value(100))
        #expect(result.reinjectionDelays.value?.last == 20_000_000)
    }

    /// A DATA_ACK that comes when the first data leave is not theirs.
    @Test func aDataACKOfTheSameInstantBelongsToOtherData() throws {
        var script = HandoverMeasurementTests.streaming(isBackupJoined: true)
        script.acknowledge(path: 1, sent: 230, arrived: 260, position: 1, offset: 700)
        script.data(path: 1, sent: 260, arrived: 290, position: 1, offset: 700, length: 100)
        script.acknowledge(path: 1, sent: 290, arrived: 320, position: 101, offset: 800)
        let result = try HandoverMeasurementTests.measure(
            script, HandoverMeasurementTests.question())
        #expect(milliseconds(result.timeline.firstDataACKOnNewPath.value) == 320)
    }
}
