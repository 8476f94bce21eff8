import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

@Suite struct StreamTests {
    /// Two subflows, both open.
    static func opened() -> TraceScript {
        var script = TraceScript()
        script.open(at: 0)
        script.join(at: 30)
        return script
    }

    static func upload(_ script: TraceScript) throws -> DirectionTrace {
        try #require(script.report().connections.first).upload
    }

    @Test func reinjectionThatComesFirstIsUseful() throws {
        var script = Self.opened()
        script.data(sent: 200, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(path: 1, sent: 250, arrived: 280, position: 1, offset: 0, length: 100)
        let upload = try Self.upload(script)
        #expect(upload.transmissions.map(\.kind) == [.first, .reinjection])
        let reinjection = try #require(upload.reinjections.first)
        #expect(reinjection.from == 0)
        #expect(reinjection.to == 1)
        #expect(milliseconds(reinjection.originalSent) == 200)
        #expect(milliseconds(reinjection.times.sent) == 250)
        #expect(reinjection.useful == 100)
        #expect(reinjection.redundant == 0)
        #expect(upload.progress == [ProgressStep(time: 280_000_000, offset: 100)])
    }

    @Test func reinjectionThatComesLaterIsRedundant() throws {
        var script = Self.opened()
        script.data(sent: 200, arrived: 240, position: 1, offset: 0, length: 100)
        script.data(path: 1, sent: 205, arrived: 260, position: 1, offset: 0, length: 60)
        let reinjection = try #require(try Self.upload(script).reinjections.first)
        #expect(reinjection.useful == 0)
        #expect(reinjection.redundant == 60)
        #expect(reinjection.neverArrived == 0)
    }

    @Test func reinjectedPartOfAMappingCountsInPart() throws {
        var script = Self.opened()
        script.data(sent: 200, arrived: 210, position: 1, offset: 0, length: 100)
        script.acknowledge(sent: 210, arrived: 220, position: 101, offset: 100)
        script.data(sent: 230, arrived: nil, position: 101, offset: 100, length: 100)
        // Half of it is acknowledged, a quarter was lost, a quarter is new.
        script.data(path: 1, sent: 250, arrived: 280, position: 1, offset: 50, length: 200)
        let upload = try Self.upload(script)
        #expect(
            upload.transmissions.suffix(3).map(\.kind)
                == [.lateReinjection, .reinjection, .first])
        #expect(
            upload.transmissions.suffix(3).map(\.range) == [50..<100, 100..<200, 200..<250])
        #expect(upload.reinjections.map(\.range) == [100..<200])
        #expect(upload.octets(.reinjection) == 100)
        #expect(upload.octets(.first) == 250)
        #expect(upload.octets(.first, subflow: 1) == 50)
    }

    @Test func retransmissionOnTheSameSubflowIsNone() throws {
        var script = Self.opened()
        script.data(sent: 200, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(sent: 260, arrived: 270, position: 1, offset: 0, length: 100)
        // The same data at a new place of the same subflow.
        script.data(sent: 280, arrived: 290, position: 101, offset: 0, length: 100)
        let upload = try Self.upload(script)
        #expect(upload.transmissions.map(\.kind) == [.first, .retransmission, .retransmission])
        #expect(upload.transmissions.map(\.newOctets) == [0, 100, 0])
        #expect(upload.reinjections.isEmpty)
    }

    @Test func dataACKMustHaveReachedTheSender() throws {
        // At the reinjection the DATA_ACK is still under way.
        var script = Self.opened()
        script.data(sent: 200, arrived: 210, position: 1, offset: 0, length: 100)
        script.acknowledge(sent: 210, arrived: 220, position: 101, offset: 100)
        script.data(path: 1, sent: 219, arrived: 249, position: 1, offset: 0, length: 100)
        #expect(try Self.upload(script).reinjections.count == 1)
        // A lost DATA_ACK tells nothing.
        var lost = Self.opened()
        lost.data(sent: 200, arrived: 210, position: 1, offset: 0, length: 100)
        lost.acknowledge(sent: 210, arrived: nil, position: 101, offset: 100)
        lost.data(path: 1, sent: 230, arrived: 260, position: 1, offset: 0, length: 100)
        #expect(try Self.upload(lost).reinjections.count == 1)
        #expect(try Self.upload(lost).dataACKs.last?.offset == 0)
    }

    @Test func shortFormsAreExpandedOverTheWrap() throws {
        var script = TraceScript()
        script.open(at: 0)
        // The low half of the client's first number is d29d6f73: 2^32 is 0x2d62908d further.
        let nearWrap = 0x2d62_908d - 50
        script.data(sent: 40, arrived: 50, position: 1, offset: 0, length: 100, isShort: true)
        script.data(
            sent: 60, arrived: 70, position: 101, offset: nearWrap, length: 100, isShort: true)
        script.data(
            sent: 61, arrived: 71, position: 201, offset: nearWrap + 100, length: 100,
            isShort: true)
        script.acknowledge(
            sent: 80, arrived: 90, position: 301, offset: nearWrap + 200, isShort: true)
        let upload = try Self.upload(script)
        #expect(
            upload.transmissions.map(\.range.lowerBound) == [0, nearWrap, nearWrap + 100])
        #expect(upload.dataACKs.last?.offset == nearWrap + 200)
        // What the receiver acknowledges it has, even if the capture lacks it.
        #expect(upload.deliveredOffset == nearWrap + 200)
        #expect(upload.notCaptured == nearWrap - 100)
    }

    @Test func oneMappingOverManySegments() throws {
        var script = TraceScript()
        script.open(at: 0)
        let mapping = DSSMapping(
            dataSequenceNumber: .full(TraceScript.clientIDSN &+ 1), subflowSequenceNumber: 1,
            length: 3_000)
        for index in 0..<3 {
            // The last piece comes without its option.
            script.segment(
                fromClient: true, sent: 40 + Double(index), arrived: 50 + Double(index),
                position: 1 + 1_000 * index, payload: 1_000,
                dss: index < 2 ? DSS(mapping: mapping) : nil)
        }
        let upload = try Self.upload(script)
        #expect(upload.transmissions.map(\.range) == [0..<1_000, 1_000..<2_000, 2_000..<3_000])
        #expect(upload.mappingCounts == [1])
        #expect(upload.unmapped == 0)
        #expect(upload.progress.map(\.offset) == [1_000, 2_000, 3_000])
    }

    @Test func firstDataInMPCapable() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.segment(
            fromClient: true, sent: 30, arrived: 40, position: 1, payload: 5,
            options: [
                .capable(
                    MPCapable(
                        senderKey: TraceScript.clientKey, receiverKey: TraceScript.serverKey,
                        dataLength: 5))
            ])
        script.data(sent: 41, arrived: 51, position: 6, offset: 5, length: 10)
        let upload = try Self.upload(script)
        #expect(upload.transmissions.map(\.range) == [0..<5, 5..<15])
        #expect(upload.deliveredOffset == 15)
    }

    @Test func aHoleHoldsBackWhatFollowsOnTheSubflow() throws {
        var script = Self.opened()
        script.data(sent: 200, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(sent: 201, arrived: 211, position: 101, offset: 100, length: 100)
        // The other subflow fills the hole of the stream, but not that of the subflow.
        script.data(path: 1, sent: 230, arrived: 260, position: 1, offset: 0, length: 100)
        script.data(sent: 280, arrived: 290, position: 1, offset: 0, length: 100)
        let upload = try Self.upload(script)
        #expect(
            upload.progress == [
                ProgressStep(time: 260_000_000, offset: 100),
                ProgressStep(time: 290_000_000, offset: 200),
            ])
        #expect(
            upload.gaps(ofAtLeast: 30_000_000) == [
                ProgressGap(start: 260_000_000, end: 290_000_000)
            ])
        #expect(upload.gaps(ofAtLeast: 30_000_001).isEmpty)
    }

    @Test func dataFINEndsTheStreamAndIsNoOctet() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.data(
            sent: 40, arrived: 50, position: 1, offset: 0, length: 100, isDataFIN: true)
        script.acknowledge(sent: 50, arrived: 60, position: 101, offset: 101)
        let upload = try Self.upload(script)
        #expect(upload.dataFIN == ProgressStep(time: 40_000_000, offset: 100))
        #expect(upload.deliveredOffset == 100)
        #expect(upload.notCaptured == 0)
        #expect(upload.dataACKs.last?.offset == 101)
    }

    @Test func unmappedAndImplausibleOctetsAreCounted() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.data(sent: 40, arrived: 50, position: 1, offset: 0, length: 100)
        script.segment(fromClient: true, sent: 41, arrived: 51, position: 101, payload: 30)
        script.data(sent: 42, arrived: 52, position: 131, offset: 1 << 50, length: 10)
        let upload = try Self.upload(script)
        #expect(upload.unmapped == 40)
        #expect(upload.implausibleMappings == 1)
        #expect(upload.sentOctets == 100)
    }

    @Test func downloadsAreSeenFromTheServer() throws {
        var script = Self.opened()
        script.data(
            fromClient: false, sent: 200, arrived: nil, position: 1, offset: 0, length: 100)
        script.data(
            path: 1, fromClient: false, sent: 240, arrived: 270, position: 1, offset: 0,
            length: 100)
        let connection = try #require(script.report().connections.first)
        #expect(connection.upload.transmissions.isEmpty)
        #expect(connection.download.reinjections.map(\.useful) == [100])
        #expect(milliseconds(connection.download.reinjections.first?.times.sent) == 240)
        #expect(milliseconds(connection.download.progress.first?.time) == 270)
    }

    /// A receiver that gave the subflow up drops what still comes on it, as Linux does.
    private func givenUp(acknowledgesAt time: Double) -> TraceScript {
        var script = Self.opened()
        script.segment(
            path: 1, fromClient: true, sent: 200, arrived: 230,
            options: [.removeAddress([AddressID(0)])])
        script.data(sent: 225, arrived: 235, position: 1, offset: 0, length: 100)
        script.acknowledge(sent: 235.1, arrived: 245.1, position: 101, offset: 0)
        script.data(path: 1, sent: 250, arrived: 280, position: 1, offset: 0, length: 100)
        script.acknowledge(path: 1, sent: time, arrived: time + 30, position: 101, offset: 100)
        return script
    }

    @Test func whatAGivenUpSubflowBringsMayNotBeTaken() throws {
        let upload = try Self.upload(givenUp(acknowledgesAt: 280.1))
        #expect(upload.transmissions.map(\.isTaken) == [false, true])
        #expect(upload.progress == [ProgressStep(time: 280_000_000, offset: 100)])
        #expect(upload.reinjections.map(\.useful) == [100])
    }

    @Test func aDataACKBeforeTheCopyShowsThatItWasTaken() throws {
        let upload = try Self.upload(givenUp(acknowledgesAt: 236))
        #expect(upload.transmissions.map(\.isTaken) == [true, true])
        #expect(upload.progress == [ProgressStep(time: 235_000_000, offset: 100)])
        #expect(upload.reinjections.map(\.useful) == [0])
    }
}
