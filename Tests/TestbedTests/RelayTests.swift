import Glibc
import LinkModel
import LinuxSystem
import NetworkPrimitives
import Testing
import Topology

@testable import Testbed

extension NamespaceSuites {
    @Suite("The relay", .serialized)
    struct RelayTests {
        /// One path with these directions.
        private func testbed(up: LinkProfile, down: LinkProfile) throws -> TestbedController {
            var topology = try TestPrograms.topology("wifi-lte")
            topology.paths.removeLast()
            topology.paths[0].up = up
            topology.paths[0].down = down
            return try TestPrograms.testbed(topology)
        }

        private static let ideal = LinkProfile(rate: nil, oneWayDelay: .zero)

        @Test("a queue takes so many packets and no more; the rate is the rate")
        func queueLimit() throws {
            // A datagram of 958 octets is a frame of 1000: 80 ms each.
            var thin = LinkProfile(
                rate: BitRate(bitsPerSecond: 100_000), oneWayDelay: .milliseconds(1))
            thin.queue = .packets(4)
            let testbed = try testbed(up: thin, down: Self.ideal)
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 0)
            let start = MonotonicClock.now()
            for number in UInt8(1)...12 { pair.sendUp(number, count: 958) }
            // One on the line and four behind it.
            var arrived: [UInt8] = []
            for _ in 0..<5 { arrived += [try pair.server.receive(within: .seconds(2)) ?? 0] }
            let time = MonotonicClock.now() - start
            #expect(arrived == [1, 2, 3, 4, 5])
            #expect(time > .milliseconds(400) && time < .milliseconds(450), "\(time)")
            #expect(try pair.server.receive(within: .milliseconds(200)) == nil)
            #expect(try testbed.linkStatistics()[0].up.queueDrops == 7)
        }

        @Test("a radio that sleeps delays the first frame, and both directions wake it")
        func promotion() throws {
            var topology = try TestPrograms.topology("wifi-lte")
            topology.paths.removeLast()
            topology.paths[0].up = Self.ideal
            topology.paths[0].down = Self.ideal
            topology.paths[0].promotion = RadioPromotion(
                delay: .milliseconds(200), tail: .milliseconds(400))
            let testbed = try TestPrograms.testbed(topology)
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 0)
            // Whatever the kernel may have sent by itself is over when the radio sleeps.
            let clock = try EventPoll()
            func pause(_ duration: Duration) throws {
                let end = MonotonicClock.now() + duration
                while MonotonicClock.now() < end { _ = try clock.wait(until: end) }
            }
            try pause(.milliseconds(700))
            var start = MonotonicClock.now()
            pair.sendUp(1)
            pair.sendUp(2)
            #expect(try pair.server.receive(within: .seconds(1)) == 1)
            #expect(try pair.server.receive(within: .seconds(1)) == 2)
            let first = MonotonicClock.now() - start
            #expect(first >= .milliseconds(200) && first < .milliseconds(300), "\(first)")
            start = MonotonicClock.now()
            pair.sendDown(3)
            #expect(try pair.client.receive(within: .seconds(1)) == 3)
            let second = MonotonicClock.now() - start
            #expect(second < .milliseconds(100), "\(second)")
            try pause(.milliseconds(700))
            start = MonotonicClock.now()
            pair.sendDown(4)
            #expect(try pair.client.receive(within: .seconds(1)) == 4)
            let third = MonotonicClock.now() - start
            #expect(third >= .milliseconds(200) && third < .milliseconds(300), "\(third)")
        }

        @Test("a frame is delayed from when it came, not from when the relay looked")
        func lateLook() throws {
            let delay = Duration.milliseconds(200)
            let slow = LinkProfile(rate: nil, oneWayDelay: delay)
            let testbed = try testbed(up: slow, down: slow)
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 0)
            let relay = try #require(
                TestPrograms.processes(in: testbed.namespace(.links)).first)
            let clock = try EventPoll()
            for isUp in [true, false] {
                TestPrograms.kill(relay, SIGSTOP)
                let start = MonotonicClock.now()
                if isUp { _ = pair.sendUp(1) } else { pair.sendDown(1) }
                while MonotonicClock.now() < start + delay / 2 {
                    _ = try clock.wait(until: start + delay / 2)
                }
                TestPrograms.kill(relay, SIGCONT)
                let receiver = isUp ? pair.server : pair.client
                #expect(try receiver.receive(within: .seconds(2)) == 1)
                let time = MonotonicClock.now() - start
                #expect(time >= delay && time < delay * 3 / 2, "\(time)")
            }
        }

        @Test("a link can be made another one while frames travel, and is restored")
        func change() throws {
            let near = LinkProfile(rate: nil, oneWayDelay: .milliseconds(5))
            let testbed = try testbed(up: near, down: near)
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 0)
            func transit() throws -> Double {
                let start = MonotonicClock.now()
                pair.sendUp(1)
                #expect(try pair.server.receive(within: .seconds(2)) == 1)
                return (MonotonicClock.now() - start).milliseconds
            }
            var time = try transit()
            #expect(time >= 5 && time < 100, "\(time)")
            var far = near
            far.oneWayDelay = .milliseconds(300)
            try testbed.change(0, up: far, down: near)
            time = try transit()
            #expect(time >= 300 && time < 400, "\(time)")
            // What comes after the delay fell does not overtake what came before.
            let start = MonotonicClock.now()
            pair.sendUp(2)
            far.oneWayDelay = .milliseconds(10)
            try testbed.change(0, up: far, down: near)
            pair.sendUp(3)
            #expect(try pair.server.receive(within: .seconds(2)) == 2)
            #expect(MonotonicClock.now() - start >= .milliseconds(300))
            #expect(try pair.server.receive(within: .seconds(2)) == 3)
            // A change of a link that is cut counts once it is mended.
            _ = try testbed.cut(0)
            far.oneWayDelay = .milliseconds(200)
            far.loss = .bernoulli(1)
            try testbed.change(0, up: near, down: far)
            try testbed.mend(0)
            pair.sendDown(4)
            #expect(try pair.client.receive(within: .milliseconds(500)) == nil)
            try testbed.restore()
            pair.sendDown(5)
            #expect(try pair.client.receive(within: .milliseconds(150)) == 5)
        }

        @Test("a run's losses follow from its seed, whatever came before")
        func seeds() throws {
            var losing = Self.ideal
            losing.loss = .gilbertElliott(
                goodToBad: 0.2, badToGood: 0.3, lossInGood: 0.1, lossInBad: 0.8)
            let testbed = try testbed(up: losing, down: losing)
            defer { testbed.tearDown() }
            #expect(testbed.hasRealTimePriority != nil)
            let pair = try DatagramPair(testbed, path: 0)
            func arrivals(seed: UInt64, count: UInt8) throws -> [[UInt8]] {
                try testbed.restore(seed: seed)
                for number in 0..<count { pair.sendUp(number) }
                for number in 0..<count { pair.sendDown(number) }
                return [
                    try pair.server.drain(silence: .milliseconds(100)),
                    try pair.client.drain(silence: .milliseconds(100)),
                ]
            }
            let first = try arrivals(seed: 7, count: 100)
            #expect(first.allSatisfy { (5..<95).contains($0.count) })
            _ = try arrivals(seed: 8, count: 33)
            #expect(try arrivals(seed: 7, count: 100) == first)
            #expect(try arrivals(seed: 9, count: 100) != first)
        }

        @Test("the greatest lateness is that of the run")
        func lateness() throws {
            let testbed = try testbed(up: Self.ideal, down: Self.ideal)
            defer { testbed.tearDown() }
            let pair = try DatagramPair(testbed, path: 0)
            let relay = try #require(TestPrograms.processes(in: testbed.namespace(.links)).first)
            TestPrograms.kill(relay, SIGSTOP)
            pair.sendUp(1)
            let (clock, end) = (try EventPoll(), MonotonicClock.now() + .milliseconds(60))
            while MonotonicClock.now() < end { _ = try clock.wait(until: end) }
            TestPrograms.kill(relay, SIGCONT)
            #expect(try pair.server.receive(within: .seconds(2)) == 1)
            #expect(
                try #require(testbed.linkStatistics()[0].up.maximumLateness) > .milliseconds(40))
            try testbed.restore(seed: 1)
            #expect(
                try #require(testbed.linkStatistics()[0].up.maximumLateness) < .milliseconds(40))
        }

        @Test("there is room for what a link holds at its rate")
        func slots() {
            var fast = LinkProfile(
                rate: BitRate(bitsPerSecond: 900_000_000), oneWayDelay: .milliseconds(300))
            // 33.75 MB on the way are 22311 frames of 1514 octets, or twice as many smaller ones.
            func count() -> Int {
                FrameSlots.count(for: fast, radio: .zero, mtu: 1_500)
            }
            #expect(count() == 44_583 + 1_000 + 1)
            fast.queue = .time(.milliseconds(300))
            #expect(count() == 89_168)
            // However fast and long it is, what is asked for can be had.
            fast.rate = BitRate(bitsPerSecond: 10_000_000_000)
            fast.queue = .packets(1_000)
            #expect(count() == 495_376 + 1_000 + 1)
            fast.oneWayDelay = .seconds(600)
            #expect(count() == (4 << 30) / 3_032)
            fast.oneWayDelay = .milliseconds(300)
            fast.rate = BitRate(bitsPerSecond: 50_000_000)
            #expect(count() == 16_384)
            fast.rate = nil
            #expect(count() == 16_384)
        }

        @Test("duplication, corruption, loss and reordering are carried out")
        func impairments() throws {
            var doubling = Self.ideal
            doubling.duplication = 1
            var corrupting = LinkProfile(rate: nil, oneWayDelay: .zero)
            corrupting.corruption = 1
            let first = try testbed(up: doubling, down: corrupting)
            var pair = try DatagramPair(first, path: 0)
            pair.sendUp(7)
            #expect(try pair.server.drain(silence: .milliseconds(100)) == [7, 7])
            // Checksums are real: what is broken does not reach the application, unless it was the
            // Ethernet header, a tenth of the frame.
            for number in UInt8(0)..<50 { pair.sendDown(number) }
            #expect(try pair.client.drain(silence: .milliseconds(100)).count < 15)
            #expect(try first.linkStatistics()[0].down.delivered == 50)
            first.tearDown()

            var losing = Self.ideal
            losing.loss = .bernoulli(0.5)
            var jittering = LinkProfile(rate: nil, oneWayDelay: .milliseconds(20))
            jittering.jitter = .milliseconds(20)
            jittering.reorders = true
            let second = try testbed(up: losing, down: jittering)
            defer { second.tearDown() }
            pair = try DatagramPair(second, path: 0)
            for number in UInt8(0)..<200 { pair.sendUp(number) }
            let arrived = try pair.server.drain(silence: .milliseconds(100))
            // Five standard deviations; the seed is fixed anyway.
            #expect((65...135).contains(arrived.count), "\(arrived.count)")
            for number in UInt8(0)..<50 { pair.sendDown(number) }
            let shuffled = try pair.client.drain(silence: .milliseconds(150))
            #expect(shuffled.sorted() == Array(0..<50))
            #expect(shuffled != shuffled.sorted())
        }

        @Test("a frame that stands for several packets is refused")
        func superPackets() throws {
            let testbed = try testbed(
                up: LinkProfile(
                    rate: BitRate(bitsPerSecond: 50_000_000), oneWayDelay: .milliseconds(1)),
                down: Self.ideal)
            defer { testbed.tearDown() }
            // Somebody switches the offloads on again and sends a large datagram's worth of TCP.
            try NamespaceThread.run(in: testbed.namespace(.client)) {
                try InterfaceOffloads.set(
                    [
                        .transmitChecksum, .scatterGather, .tcpSegmentation, .genericSegmentation,
                    ], on: "wifi0")
            }
            let sink = try TCPSink(in: testbed.namespace(.server), port: 5_001)
            let sender = try ChildProcess(
                "bash", ["-c", "head -c 300000 /dev/zero > /dev/tcp/10.0.9.1/5001"],
                in: testbed.namespace(.client))
            defer { sender.terminate() }
            // TCP falls back to single segments for what it retransmits, so it gets through slowly.
            #expect(try sink.receive(atLeast: 1_000, within: .seconds(10)) >= 1_000)
            #expect(try #require(try testbed.linkStatistics()[0].up.refused) > 0)
        }

        @Test("ends with the process that started it, and the testbed says so")
        func death() throws {
            let testbed = try testbed(up: Self.ideal, down: Self.ideal)
            defer { testbed.tearDown() }
            let pids = TestPrograms.processes(in: testbed.namespace(.links))
            #expect(pids.count == 1)
            for pid in pids { TestPrograms.kill(pid) }
            #expect(throws: TestbedError.self) { try testbed.cut(0) }
            #expect(testbed.tearDown() == [])
            #expect(TestPrograms.leftovers() == [])
        }

        @Test("without its program the testbed is not built, and nothing stays")
        func missingProgram() throws {
            let topology = try TestPrograms.topology("wifi-lte")
            #expect(throws: TestbedError.self) {
                try TestbedController.build(
                    topology, emulation: .relay, program: "/nonexistent/mptcpctl")
            }
            // It starts, but is no relay.
            #expect(throws: TestbedError.self) {
                try TestbedController.build(topology, emulation: .relay, program: "/bin/true")
            }
            #expect(TestPrograms.leftovers() == [])
        }
    }
}
