import NetworkPrimitives
import Testing
import TraceAnalysis
import WireFormat

@Suite struct HandoverMeasurementTests {
    static func question(
        _ direction: TraceDirection = .upload, breakAt: Double? = 250, make: Double? = nil,
        end: Double = 1_000
    ) -> HandoverQuestion {
        func nanoseconds(_ time: Double) -> Int64 { Int64((time * 1e6).rounded()) }
        var question = HandoverQuestion(
            breakTime: breakAt.map(nanoseconds), makeTime: make.map(nanoseconds),
            direction: direction,
            paths: [
                .init("wifi", clientAddresses: [TraceScript.wifi.address]),
                .init("lte", clientAddresses: [TraceScript.lte.address]),
            ], oldPath: 0, newPath: 1, window: 0..<nanoseconds(end))
        question.newPathRoundTrip = 60_000_000
        return question
    }

    static func measure(
        _ script: TraceScript, _ question: HandoverQuestion
    ) throws -> HandoverMeasurement {
        try #require(HandoverMeasurement(script.report(), question))
    }

    /// Records of 100 octets every 20 ms from 100 ms on, on path 0, until the break at 250 ms: those
    /// of 100 ... 220 arrive, that of 240 is inside the link.
    static func streaming(isBackupJoined: Bool) -> TraceScript {
        var script = TraceScript()
        script.open(at: 0)
        if isBackupJoined { script.join(at: 40, isBackup: true) }
        for index in 0..<8 {
            let time = 100 + 20 * Double(index)
            script.data(
                sent: time, arrived: index < 7 ? time + 10 : nil, position: 1 + 100 * index,
                offset: 100 * index, length: 100)
            if index < 7 {
                script.acknowledge(
                    sent: time + 10, arrived: index < 6 ? time + 20 : nil,
                    position: 101 + 100 * index, offset: 100 * (index + 1))
            }
        }
        return script
    }

    @Test func makeBeforeBreakUpload() throws {
        var script = Self.streaming(isBackupJoined: true)
        // The acknowledgment of the record of 220 ms was lost with the path: it is sent again too.
        script.data(path: 1, sent: 250.5, arrived: 280.5, position: 1, offset: 600, length: 100)
        script.data(path: 1, sent: 251.5, arrived: 281.5, position: 101, offset: 700, length: 100)
        script.data(path: 1, sent: 260, arrived: 290, position: 201, offset: 800, length: 100)
        script.acknowledge(path: 1, sent: 281.5, arrived: 311.5, position: 201, offset: 800)
        for index in 0..<35 {
            let time = 280 + 20 * Double(index)
            script.data(
                path: 1, sent: time, arrived: time + 30, position: 301 + 100 * index,
                offset: 900 + 100 * index, length: 100)
        }
        let result = try Self.measure(script, Self.question())
        #expect(milliseconds(result.connect.value) == 20)
        #expect(milliseconds(result.timeline.ready.value) == 250)
        #expect(milliseconds(result.detection.value) == 0.5)
        #expect(milliseconds(result.timeline.joinSYN.value) == 40)
        #expect(milliseconds(result.timeline.joinSYNACK.value) == 100)
        #expect(milliseconds(result.timeline.joinACK.value) == 100)
        #expect(milliseconds(result.timeline.joinFourthACK.value) == 160)
        #expect(milliseconds(result.joinLatency.value) == 120)
        #expect(result.joinLatencyRTTs == .value(2))
        #expect(
            result.joinFirstData.reason == "joined before the break; its first data waited for it")
        #expect(milliseconds(result.timeline.firstReinjection.value) == 250.5)
        #expect(result.reinjectionDelays.value?.first == 500_000)
        #expect(result.reinjectionDelays.value?.median == 1_000_000)
        #expect(result.reinjectionDelays.value?.last == 1_500_000)
        #expect(result.usefulReinjectedOctets == .value(100))
        #expect(result.redundantReinjectedOctets == .value(100))
        #expect(milliseconds(result.timeline.firstDataOnNewPath.value) == 250.5)
        #expect(milliseconds(result.timeline.firstDataACKOnNewPath.value) == 311.5)
        // Octet 700 is the first one that was lacking.
        #expect(milliseconds(result.timeline.firstLackingByteArrived.value) == 281.5)
        #expect(milliseconds(result.resume.value) == 31.5)
        #expect(milliseconds(result.handover.value) == 31.5)
        #expect(milliseconds(result.steadyGap.value) == 20)
        // 230 to 281.5, less the workload's own 20.
        #expect(milliseconds(result.outage.value) == 31.5)
        #expect(result.pathShare == [800, 3_600])
        #expect(result.unknownToSenderAtReady == .value(100))
        #expect(result.resumeGoodput.value == nil)
        #expect(result.joins == 1)
    }

    @Test func breakBeforeMakeUpload() throws {
        var script = Self.streaming(isBackupJoined: false)
        script.join(at: 451)
        script.data(path: 1, sent: 571.2, arrived: 601.2, position: 1, offset: 600, length: 100)
        script.data(path: 1, sent: 571.3, arrived: 601.3, position: 101, offset: 700, length: 1_000)
        let result = try Self.measure(script, Self.question(make: 450))
        #expect(milliseconds(result.timeline.ready.value) == 450)
        #expect(milliseconds(result.detection.value) == 201)
        #expect(milliseconds(result.joinLatency.value) == 120)
        #expect(milliseconds(result.joinFirstData.value) == 150.2)
        #expect(milliseconds(result.resume.value) == 151.3)
        #expect(milliseconds(result.handover.value) == 351.3)
        #expect(result.usefulReinjectedOctets == .value(100))
        #expect(result.redundantReinjectedOctets == .value(100))
        #expect(result.reinjectionDelays.value?.last == 321_300_000)
        // Nothing new comes after 601.3: until the end of the workload.
        #expect(milliseconds(result.outage.value) == 378.7)
    }

    @Test func earlyDataAndDataInTheSYNMayBeSentEarlier() throws {
        func latency(
            _ permission: HandoverQuestion.JoinPermission, isAnnounced: Bool,
            offer: FastJoinOption? = nil
        ) throws -> Double? {
            var script = Self.streaming(isBackupJoined: false)
            if isAnnounced {
                script.segment(
                    fromClient: false, sent: 200, arrived: 210,
                    options: [.fastJoin(.capabilities(.earlyData, maximumPayloadUnits: 22))])
            }
            script.join(at: 451, offer: offer)
            var question = Self.question(make: 450)
            question.joinPermission = permission
            return milliseconds(try Self.measure(script, question).joinLatency.value)
        }
        let resume = FastJoinOption.resume(dataACK: 0, mac: 0)
        #expect(try latency(.thirdACK, isAnnounced: true) == 60)
        #expect(try latency(.syn, isAnnounced: true, offer: resume) == 0)
        #expect(try latency(.syn, isAnnounced: true) == 60)
        // A variant that the listener does not know is the standard join.
        #expect(try latency(.thirdACK, isAnnounced: false) == 120)
        #expect(try latency(.syn, isAnnounced: false) == 120)
    }

    @Test func downloadIsJudgedAtTheClient() throws {
        var script = TraceScript()
        script.open(at: 0)
        script.join(at: 40, isBackup: true)
        for index in 0..<3 {
            let time = 100 + 20 * Double(index)
            script.data(
                fromClient: false, sent: time, arrived: time + 10, position: 1 + 100 * index,
                offset: 100 * index, length: 100)
        }
        script.acknowledge(
            fromClient: true, sent: 150, arrived: 160, position: 301, offset: 300)
        script.data(
            fromClient: false, sent: 245, arrived: nil, position: 301, offset: 300, length: 100)
        script.segment(
            path: 1, fromClient: true, sent: 250.2, arrived: 280.2,
            options: [.removeAddress([AddressID(0)])])
        script.data(
            path: 1, fromClient: false, sent: 280.4, arrived: 310.4, position: 1, offset: 300,
            length: 100, isDataFIN: true)
        let result = try Self.measure(script, Self.question(.download))
        #expect(milliseconds(result.detection.value) == 0.2)
        #expect(milliseconds(result.timeline.firstReinjection.value) == 280.4)
        #expect(milliseconds(result.resume.value) == 60.4)
        #expect(result.usefulReinjectedOctets == .value(100))
        #expect(milliseconds(result.outage.value) == 140.4)
        #expect(result.pathShare == [400, 0])
        #expect(result.unknownToSenderAtReady == .value(0))
    }

    /// A copy that would have been sent anyway shows neither that anybody knows, nor a reinjection.
    @Test func redundantCopiesShowNothing() throws {
        var script = Self.streaming(isBackupJoined: true)
        script.data(path: 1, sent: 250.5, arrived: 280.5, position: 1, offset: 700, length: 100)
        var question = Self.question()
        #expect(milliseconds(try Self.measure(script, question).detection.value) == 0.5)
        question.redundantDirections = [.upload]
        let result = try Self.measure(script, question)
        #expect(result.detection.value == nil)
        #expect(result.timeline.firstReinjection.value == nil)
        #expect(result.usefulReinjectedOctets.value == nil)
        #expect(
            result.reinjectionDelays.reason
                == "the redundant scheduler sends every octet on each path")
        #expect(milliseconds(result.resume.value) == 30.5)
    }

    @Test func anOldPathThatStillDeliversIsNoResumption() throws {
        var script = Self.streaming(isBackupJoined: true)
        // address-removed: the record of 240 arrives in spite of the removal, and its copy later.
        script.packets.removeAll { $0.time == 240_000_000 && $0.point == 0 }
        script.data(sent: 240, arrived: 250.1, position: 701, offset: 700, length: 100)
        script.data(path: 1, sent: 251, arrived: 281, position: 1, offset: 700, length: 100)
        script.data(path: 1, sent: 260, arrived: 290, position: 101, offset: 800, length: 100)
        let copied = try Self.measure(script, Self.question())
        #expect(milliseconds(copied.resume.value) == 31)
        #expect(copied.redundantReinjectedOctets == .value(100))
        // Without a copy it is the first new octet of the other path.
        script.packets.removeAll { $0.time == 251_000_000 || $0.time == 281_000_000 }
        #expect(milliseconds(try Self.measure(script, Self.question()).resume.value) == 40)
    }

    @Test func aDeadConnectionNeverResumes() throws {
        let script = Self.streaming(isBackupJoined: false)
        let result = try Self.measure(script, Self.question(make: 450))
        #expect(
            result.resume.reason == "what was lacking never came by another subflow")
        #expect(result.joinLatency.reason == "no SYN+MP_JOIN on path lte")
        #expect(result.detection.reason == "no endpoint shows that it knows of the break")
        #expect(result.reinjectionDelays.reason == "nothing was reinjected")
        #expect(result.usefulReinjectedOctets == .value(0))
        // From 230 to the end at 1000, less 20.
        #expect(milliseconds(result.outage.value) == 750)
    }

    @Test func withoutBreakOnlyTheWorkloadsOwnGapIsKnown() throws {
        let script = Self.streaming(isBackupJoined: true)
        let result = try Self.measure(script, Self.question(breakAt: nil))
        #expect(milliseconds(result.steadyGap.value) == 20)
        #expect(result.outage.reason == "no break (--null)")
        #expect(result.resume.reason == "no break (--null)")
        #expect(result.timeline.ready.reason == "no break (--null)")
        #expect(milliseconds(result.joinLatency.value) == 120)
    }

    @Test func bulkGoodputOfTheRemainingPath() throws {
        var script = Self.streaming(isBackupJoined: true)
        // 1 MB/s from 300 ms on, in 1000 octets per ms.
        for index in 0..<400 {
            let time = 300 + Double(index)
            script.data(
                path: 1, sent: time, arrived: time + 30, position: 1 + 1_000 * index,
                offset: 700 + 1_000 * index, length: 1_000)
        }
        var question = Self.question()
        question.remainingGoodput = 8_000_000
        let result = try Self.measure(script, question)
        // 90 of 100 packets: the 90th arrives at 330 + 89.
        #expect(milliseconds(result.resumeGoodput.value) == 169)
        question.remainingGoodput = 80_000_000
        #expect(
            try Self.measure(script, question).resumeGoodput.reason
                == "90 % of what the remaining path can carry was not reached")
    }

    /// Two SYNs on the first path are lost; the connection comes about on the second.
    @Test func theFirstPathIsDead() throws {
        var script = TraceScript()
        for time in [0.0, 1_000] {
            script.segment(
                fromClient: true, sent: time, arrived: nil, flags: .syn, position: 0,
                options: [.capable(MPCapable())])
        }
        script.open(path: 1, at: 1_000, delay: 30)
        script.data(path: 1, sent: 1_070, arrived: 1_100, position: 1, offset: 0, length: 100)
        let result = try Self.measure(script, Self.question(breakAt: nil, end: 2_000))
        #expect(milliseconds(result.connect.value) == 1_060)
        #expect(result.pathShare == [0, 100])
    }

    /// Without a break whatever went out on a second subflow counts.
    @Test func reinjectionsWithoutABreak() throws {
        var script = Self.streaming(isBackupJoined: true)
        for (time, offset) in [(250.5, 600), (251.5, 700)] {
            script.data(
                path: 1, sent: time, arrived: time + 30, position: offset - 599, offset: offset,
                length: 100)
        }
        let result = try Self.measure(script, Self.question(breakAt: nil))
        #expect(result.redundantReinjectedOctets == .value(100))
        #expect(result.usefulReinjectedOctets == .value(100))
        #expect(result.reinjectionDelays.reason == "no break (--null)")
    }

    @Test func anotherConnectionIsNotMeasured() {
        let script = Self.streaming(isBackupJoined: true)
        var question = Self.question()
        for path in [0, 1] { question.paths[path].clientAddresses = [.v4(0x0a00_0502)] }
        #expect(HandoverMeasurement(script.report(), question) == nil)
    }
}
