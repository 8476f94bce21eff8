import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

@Suite struct ConnectionTests {
    @Test func versionOneJoinIsMatchedTimedAndVerified() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.join(at: 100, isBackup: true)
        let report = script.report()
        #expect(report.connections.count == 1)
        let connection = try #require(report.connections.first)
        #expect(connection.kind == .mptcpV1)
        #expect(connection.client == TraceScript.wifi)
        #expect(connection.server == TraceScript.server)
        #expect(connection.clientKey == .value(TraceScript.clientKey))
        #expect(connection.clientToken == .value(Token(0x6684_0dda)))
        #expect(connection.serverToken == .value(TraceScript.serverToken))
        #expect(connection.usesChecksums == .value(false))
        #expect(connection.fallback == nil)
        #expect(connection.subflows.map(\.kind) == [.capable, .join])
        #expect(connection.subflows.map(\.membership) == [.first, .token])
        #expect(connection.subflows[0].handshakeRoundTrip == .value(20_000_000))
        #expect(connection.subflows[1].handshakeRoundTrip == .value(60_000_000))
        #expect(connection.subflows[1].client.isBackup == true)
        #expect(connection.subflows[1].client.addressID == AddressID(2))
        #expect(connection.subflows[1].server.addressID == AddressID(0))
        #expect(connection.subflows[1].client.maximumSegmentSize == 1_460)
        #expect(connection.subflows[1].client.windowScale == 7)
        let join = try #require(connection.joins.first)
        #expect(join.outcome == .established)
        #expect(join.isFromClient)
        #expect(milliseconds(join.start) == 100)
        #expect(milliseconds(join.synACK?.arrived) == 160)
        #expect(milliseconds(join.thirdACK?.sent) == 160)
        #expect(milliseconds(join.fourthACK?.arrived) == 220)
        #expect(join.synACKHMAC == .valid)
        #expect(join.thirdACKHMAC == .valid)
        #expect(join.openerBackup == true)
    }

    @Test func versionZeroUsesSHA1() throws {
        var script = TraceScript()
        let hmac = HMAC160(
            high: 0x3078_ffd3_6d64_9a00, middle: 0xbf56_1db7_8fc1_7682, low: 0x317b_5450)
        script.segment(
            fromClient: true, sent: 0, arrived: 10, flags: .syn, position: 0,
            options: [.capable(MPCapable(version: .v0, senderKey: TraceScript.clientKey))])
        script.segment(
            fromClient: false, sent: 10, arrived: 20, flags: [.syn, .ack], position: 0,
            options: [.capable(MPCapable(version: .v0, senderKey: TraceScript.serverKey))])
        script.segment(
            fromClient: true, sent: 20, arrived: 30,
            options: [
                .capable(
                    MPCapable(
                        version: .v0, senderKey: TraceScript.clientKey,
                        receiverKey: TraceScript.serverKey))
            ])
        script.segment(
            path: 1, fromClient: true, sent: 50, arrived: 80, flags: .syn, position: 0,
            options: [
                .join(
                    .syn(
                        isBackup: false, addressID: AddressID(2), token: Token(0x3383_d918),
                        nonce: TraceScript.clientNonce))
            ])
        script.segment(
            path: 1, fromClient: false, sent: 80, arrived: 110, flags: [.syn, .ack], position: 0,
            options: [
                .join(
                    .synACK(
                        isBackup: false, addressID: AddressID(0), hmac: 0x1628_a8ed_9003_b9ac,
                        nonce: TraceScript.serverNonce))
            ])
        script.segment(
            path: 1, fromClient: true, sent: 110, arrived: 140, options: [.join(.ack(hmac: hmac))])
        let connection = try #require(script.report().connections.first)
        #expect(connection.kind == .mptcpV0)
        #expect(connection.clientToken == .value(Token(0xdd57_83bc)))
        #expect(connection.serverToken == .value(Token(0x3383_d918)))
        #expect(connection.upload.origin == DataSequenceNumber(0x3a95_ed6e_4ebb_4ad6))
        #expect(connection.download.origin == DataSequenceNumber(0x9e1a_e42f_7026_27aa))
        let join = try #require(connection.joins.first)
        #expect(join.synACKHMAC == .valid)
        #expect(join.thirdACKHMAC == .valid)
        // The listener never said more: the opener may not send.
        #expect(join.outcome == .open)
        #expect(join.fourthACK == nil)
    }

    @Test func wrongHMACAndRefusalAreSeen() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.segment(
            path: 1, fromClient: true, sent: 100, arrived: 130, flags: .syn, position: 0,
            options: [
                .join(
                    .syn(
                        isBackup: false, addressID: AddressID(2), token: TraceScript.serverToken,
                        nonce: TraceScript.clientNonce))
            ])
        // Lost, and sent again a second later.
        script.segment(
            path: 1, fromClient: true, sent: 1_100, arrived: 1_130, flags: .syn, position: 0,
            options: [
                .join(
                    .syn(
                        isBackup: false, addressID: AddressID(2), token: TraceScript.serverToken,
                        nonce: TraceScript.clientNonce))
            ])
        script.segment(
            path: 1, fromClient: false, sent: 1_130, arrived: 1_160, flags: [.syn, .ack],
            position: 0,
            options: [
                .join(
                    .synACK(
                        isBackup: false, addressID: AddressID(0), hmac: 1,
                        nonce: TraceScript.serverNonce))
            ])
        script.segment(
            path: 1, fromClient: true, sent: 1_160, arrived: 1_190, flags: .rst,
            options: [.reset(MPTCPReset(.mptcpSpecific))])
        let connection = try #require(script.report().connections.first)
        let join = try #require(connection.joins.first)
        #expect(join.synACKHMAC == .invalid)
        #expect(join.syns.map { milliseconds($0.sent) } == [100, 1_100])
        #expect(
            join.outcome == .refused(byListener: false, MPTCPReset(.mptcpSpecific)))
        #expect(connection.subflows[1].handshakeRoundTrip.reason == "SYN was retransmitted")
        #expect(connection.subflows[1].reset?.isFromClient == true)
    }

    @Test func joinOfAnUnknownTokenIsRefusedAndStandsAlone() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.segment(
            path: 1, fromClient: true, sent: 100, arrived: 130, flags: .syn, position: 0,
            options: [
                .join(
                    .syn(
                        isBackup: false, addressID: AddressID(2), token: Token(0x1234_5678),
                        nonce: 1))
            ])
        script.segment(
            path: 1, fromClient: false, sent: 130, arrived: 160, flags: [.rst, .ack], position: 0,
            options: [.reset(MPTCPReset(.mptcpSpecific))])
        let report = script.report()
        #expect(report.connections.count == 2)
        let join = try #require(report.connections.last?.joins.first)
        #expect(join.token == .value(Token(0x1234_5678)))
        #expect(join.outcome == .refused(byListener: true, MPTCPReset(.mptcpSpecific)))
        #expect(join.synACKHMAC == .unknown("keys not in the captures"))
    }

    @Test func joinsWithoutKeysAreGroupedByTokenAndNumbers() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.join(at: 100)
        script.data(sent: 300, arrived: 310, position: 1, offset: 0, length: 100)
        script.data(path: 1, sent: 310, arrived: 340, position: 1, offset: 100, length: 100)
        // The capture begins behind the first handshake.
        script.packets.removeAll { $0.time < 50_000_000 }
        let report = script.report()
        #expect(report.connections.count == 1)
        let connection = try #require(report.connections.first)
        #expect(connection.kind == .mptcpUnknownVersion)
        #expect(connection.clientKey == .unknown("keys not in the captures"))
        #expect(connection.serverToken == .value(TraceScript.serverToken))
        #expect(Set(connection.subflows.map(\.kind)) == [.join, .midstream])
        #expect(connection.subflows.map(\.membership).contains(.dataSequence))
        #expect(connection.upload.sentOctets == 200)
        #expect(connection.upload.isOriginInitial == false)
        #expect(connection.upload.reinjections.isEmpty)
    }

    @Test func plainTCPAndFallback() throws {
        var script = TraceScript()
        script.segment(fromClient: true, sent: 0, arrived: 10, flags: .syn, position: 0)
        script.segment(
            fromClient: false, sent: 10, arrived: 20, flags: [.syn, .ack], position: 0)
        script.segment(fromClient: true, sent: 20, arrived: 30)
        script.segment(fromClient: true, sent: 21, arrived: 31, position: 1, payload: 500)
        script.segment(fromClient: false, sent: 31, arrived: 41, acknowledges: 501)
        script.segment(fromClient: true, sent: 50, arrived: 60, flags: [.fin, .ack], position: 501)
        script.segment(fromClient: false, sent: 60, arrived: 70, acknowledges: 502)
        let plain = try #require(script.report().connections.first)
        #expect(plain.kind == .tcp)
        #expect(plain.fallback == nil)
        #expect(plain.upload.sentOctets == 500)
        #expect(plain.upload.deliveredOffset == 500)
        #expect(plain.upload.dataACKs.map(\.offset) == [0, 500])
        #expect(plain.upload.dataFIN?.offset == 500)

        var asking = TraceScript()
        asking.segment(
            fromClient: true, sent: 0, arrived: 10, flags: .syn, position: 0,
            options: [.capable(MPCapable())])
        asking.segment(
            fromClient: false, sent: 10, arrived: 20, flags: [.syn, .ack], position: 0)
        asking.segment(fromClient: true, sent: 20, arrived: 30)
        asking.segment(fromClient: true, sent: 21, arrived: 31, position: 1, payload: 100)
        let fallen = try #require(asking.report().connections.first)
        #expect(fallen.fallback?.cause == .synACKWithoutOption)
        #expect(fallen.upload.deliveredOffset == 100)

        var third = TraceScript()
        third.open(at: 0)
        third.packets.removeAll { $0.time >= 20_000_000 && $0.point != 0 }
        third.packets.removeAll { $0.time == 20_000_000 && $0.bytes.count > 52 }
        third.segment(fromClient: true, sent: 20, arrived: 30)
        third.segment(fromClient: true, sent: 21, arrived: 31, position: 1, payload: 100)
        #expect(
            third.report().connections.first?.fallback?.cause == .thirdPacketWithoutOption)
    }

    @Test func infiniteMappingContinuesTheStream() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.data(sent: 40, arrived: 50, position: 1, offset: 0, length: 100)
        script.segment(
            fromClient: true, sent: 60, arrived: 70, position: 101, payload: 50,
            dss: DSS(
                mapping: DSSMapping(
                    dataSequenceNumber: .full(TraceScript.clientIDSN &+ 101),
                    subflowSequenceNumber: 101, length: 0)))
        script.segment(fromClient: true, sent: 61, arrived: 71, position: 151, payload: 50)
        let connection = try #require(script.report().connections.first)
        #expect(connection.fallback?.cause == .infiniteMapping)
        #expect(connection.upload.deliveredOffset == 200)
        #expect(connection.upload.unmapped == 0)
    }

    @Test func signalsAreListedInOrder() throws {
        var script = TraceScript()
        script.open(at: 0)
        let announced = AddAddress(
            addressID: AddressID(1), address: .v4(0x0a00_0201),
            form: .announcement(hmac: 0x014b_3007_310c_639c))
        script.segment(fromClient: false, sent: 40, arrived: 50, options: [.addAddress(announced)])
        script.segment(
            fromClient: true, sent: 60, arrived: 70, options: [.removeAddress([AddressID(3)])])
        script.segment(
            fromClient: true, sent: 61, arrived: 71,
            options: [.priority(isBackup: true, addressID: nil)])
        script.segment(
            fromClient: true, sent: 62, arrived: 72, flags: .rst,
            options: [.fastClose(receiverKey: TraceScript.serverKey)])
        let connection = try #require(script.report().connections.first)
        #expect(
            connection.signals.map(\.content) == [
                .addAddress(announced), .removeAddress([AddressID(3)]),
                .priority(isBackup: true, nil), .fastClose,
            ])
        #expect(connection.signals.map(\.isFromClient) == [false, true, true, true])
        #expect(milliseconds(connection.signals[0].times.sent) == 40)
        #expect(milliseconds(connection.signals[0].times.arrived) == 50)
    }

    @Test func aReusedTupleIsANewConnection() {
        var script = TraceScript()
        script.open(at: 0)
        script.segment(
            fromClient: true, sent: 1_000, arrived: 1_010, flags: .syn, position: 0,
            options: [.capable(MPCapable())], sequence: 77)
        #expect(script.report().connections.count == 2)
    }
}
