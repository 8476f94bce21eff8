import LinkModel
import LinuxSystem
import Netlink
import NetworkPrimitives
import Testbed
import Testing
import Topology

extension NetemNamespaceTests {
    /// What frames see of links on real netem.
    @Suite("Links on netem") struct NetemLinkEmulatorTests {
        private static func profile(
            _ megabits: Double?, _ delay: Duration, _ change: (inout LinkProfile) -> Void = { _ in }
        ) -> LinkProfile {
            var profile = LinkProfile(
                rate: megabits.map { BitRate(bitsPerSecond: Int64($0 * 1e6)) }, oneWayDelay: delay)
            change(&profile)
            return profile
        }

        private func median(_ values: [Duration]) -> Duration { values.sorted()[values.count / 2] }

        private func expect(
            _ value: Duration, near expected: Duration, within tolerance: Duration,
            _ location: SourceLocation = #_sourceLocation
        ) {
            let difference = value - expected
            #expect(
                difference > .zero - tolerance && difference < tolerance,
                "\(value.milliseconds) ms instead of \(expected.milliseconds) ms",
                sourceLocation: location)
        }

        @Test("each direction has its delay and its rate, and RTTs are right within 0.3 ms")
        func delay() throws {
            let up = Self.profile(50, .milliseconds(10))
            let down = Self.profile(20, .milliseconds(30))
            let bed = try EmulatedLink([(up, down)])
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            var ways: (up: [Duration], down: [Duration], both: [Duration]) = ([], [], [])
            for number in 0..<20 {
                let start = MonotonicClock.now()
                try bed.sendUp(number, frame: 1000)
                let there = try #require(
                    try bed.routerSocket.receive(until: start + .seconds(1)))
                let turn = MonotonicClock.now()
                try bed.sendDown(number, frame: 1000)
                let back = try #require(try bed.clientSocket.receive(until: turn + .seconds(1)))
                #expect(there.number == number && back.number == number)
                ways.up.append(there.at - start)
                ways.down.append(back.at - turn)
                ways.both.append(there.at - start + (back.at - turn))
            }
            expect(median(ways.up), near: .microseconds(10_160), within: .microseconds(150))
            expect(median(ways.down), near: .microseconds(30_400), within: .microseconds(150))
            expect(median(ways.both), near: .microseconds(40_560), within: .microseconds(300))
        }

        @Test("a link can be made another one while frames travel")
        func change() throws {
            let near = Self.profile(50, .milliseconds(5))
            let far = Self.profile(50, .milliseconds(200))
            for first in [near, Self.profile(50, .zero)] {
                let bed = try EmulatedLink([(first, first)])
                let emulator = try bed.emulate()
                defer { emulator.stop() }
                try emulator.change(0, up: far, down: near)
                let start = MonotonicClock.now()
                try bed.sendUp(1, frame: 1000)
                // What comes after the delay fell does not overtake what came before.
                try emulator.change(0, up: near, down: far)
                try bed.sendUp(2, frame: 1000)
                try bed.sendDown(3, frame: 1000)
                let arrivals = try (0..<2).map { _ in
                    try #require(try bed.routerSocket.receive(until: start + .seconds(1)))
                }
                #expect(arrivals.map(\.number) == [1, 2])
                #expect(arrivals.allSatisfy { $0.at - start >= .milliseconds(200) })
                let back = try #require(try bed.clientSocket.receive(until: start + .seconds(1)))
                #expect(back.number == 3 && back.at - start >= .milliseconds(200))
                // A change of a link that is cut counts once it is mended.
                _ = try emulator.cut(0)
                try emulator.change(0, up: first, down: first)
                try emulator.mend(0)
                let again = MonotonicClock.now()
                try bed.sendDown(4, frame: 1000)
                let last = try #require(try bed.clientSocket.receive(until: again + .seconds(1)))
                #expect(last.number == 4 && last.at - again < .milliseconds(150))
            }
        }

        @Test("full frames pass at the line rate within 2 %", arguments: [2.0, 50, 100])
        func rate(megabits: Double) throws {
            let profile = Self.profile(megabits, .milliseconds(5)) { $0.queue = .packets(400) }
            let bed = try EmulatedLink(profile)
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            for number in 0..<300 { try bed.sendUp(number, frame: 1514) }
            let arrivals = try bed.routerSocket.drain()
            #expect(arrivals.map(\.number) == Array(0..<300))
            let first = try #require(arrivals.first)
            let last = try #require(arrivals.last)
            let measured = Double(299 * 1514 * 8) / (last.at - first.at).seconds
            #expect(abs(measured / (megabits * 1e6) - 1) < 0.02, "\(measured) bit/s")
        }

        @Test(
            "a queue holds what its limit says, and the line one frame",
            arguments: [
                (QueueLimit.packets(20), 21), (.bytes(15_140), 11), (.time(.milliseconds(50)), 5),
            ])
        func queueLimit(limit: QueueLimit, frames: Int) throws {
            // 12.112 ms for each frame: all are sent while the first is on the line.
            let profile = Self.profile(1, .milliseconds(100)) { $0.queue = limit }
            let bed = try EmulatedLink(profile)
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let start = MonotonicClock.now()
            var end = start
            for number in 0..<60 { end = try bed.sendUp(number, frame: 1514) }
            let arrivals = try bed.routerSocket.drain()
            #expect(arrivals.count >= frames)
            #expect(arrivals.count <= frames + Int((end - start).milliseconds / 12.112))
            #expect(arrivals.prefix(frames).map(\.number) == Array(0..<frames))
            let counted = try emulator.statistics()[0]
            #expect(counted.up.delivered == arrivals.count && counted.down.delivered == 0)
            #expect(counted.up.queueDrops == 60 - arrivals.count && counted.up.losses == 0)
        }

        @Test("frames that travel take no room in the queue, however small they are")
        func smallFrames() throws {
            let profile = Self.profile(8, .milliseconds(60)) { $0.queue = .packets(40) }
            let bed = try EmulatedLink(profile)
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            // Half the rate; 300 of them are under way at a time, as many octets as 20 full ones.
            let start = MonotonicClock.now()
            for number in 0..<600 {
                try bed.wait(until: start + .microseconds(200 * number))
                try bed.sendUp(number, frame: 100)
            }
            #expect(try bed.routerSocket.drain().map(\.number) == Array(0..<600))
        }

        @Test("frame by frame it does what the link model computes")
        func model() throws {
            let profile = Self.profile(2, .milliseconds(20)) { $0.queue = .packets(8) }
            let bed = try EmulatedLink(profile)
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            var model = LinkDirection(profile: profile, generator: SeededGenerator(seed: 1))
            var generator = SeededGenerator(seed: 2)
            var expected: [Int: Instant] = [:]
            var number = 0
            for _ in 0..<12 {
                for _ in 0..<(generator.next() % 16 + 1) {
                    let frame = 600 + Int(generator.next() % 900)
                    let sent = try bed.sendUp(number, frame: frame)
                    if case .deliver(let at) = model.offer(bytes: frame, now: sent) {
                        expected[number] = at
                    }
                    number += 1
                }
                try bed.wait(.milliseconds(Int64(generator.next() % 60)))
            }
            let arrivals = try bed.routerSocket.drain()
            #expect(arrivals.map(\.number) == expected.keys.sorted())
            #expect(expected.count < number, "otherwise the queue was not put to the test")
            let errors = arrivals.compactMap { arrival in
                expected[arrival.number].map {
                    abs((arrival.at - $0).wholeNanoseconds)
                }
            }
            #expect(errors.count == arrivals.count)
            #expect(errors.sorted()[errors.count / 2] < 150_000, "ns: \(errors)")
        }

        @Test("a cut drops what is inside and what comes, both ways, and tells nobody")
        func cut() throws {
            let profile = Self.profile(10, .milliseconds(40))
            let bed = try EmulatedLink([(profile, profile), (profile, profile)])
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            // 1.2 ms each: after 80 ms some have arrived, some travel, and some wait.
            for number in 0..<100 {
                try bed.sendUp(number, frame: 1514)
                try bed.sendDown(number, frame: 1514)
            }
            try bed.wait(.milliseconds(80))
            let before = MonotonicClock.now()
            let cut = try emulator.cut(0)
            let after = MonotonicClock.now()
            #expect(cut >= before && cut <= after)
            for number in 100..<110 {
                try bed.sendUp(number, frame: 1514)
                try bed.sendDown(number, frame: 1514)
            }
            for arrivals in [try bed.routerSocket.drain(), try bed.clientSocket.drain()] {
                #expect((20...40).contains(arrivals.count), "\(arrivals.count)")
                #expect(arrivals.allSatisfy { $0.at <= cut })
            }
            for (control, link) in [
                (bed.clientControl, "path0"), (bed.routerControl, "path0"),
                (bed.linksControl, "path0-c"), (bed.linksControl, "path0-r"),
            ] {
                let state = try control.link(named: link)
                #expect(state.isUp && state.hasCarrier)
            }
            // Once more is as good as once, and does not move the cut of another link.
            #expect(try emulator.cut(0) >= cut)

            try emulator.mend(0)
            let mended = MonotonicClock.now()
            try bed.sendUp(200, frame: 1514)
            try bed.sendDown(201, frame: 1514)
            let up = try bed.routerSocket.drain()
            let down = try bed.clientSocket.drain()
            #expect(up.map(\.number) == [200] && down.map(\.number) == [201])
            for arrival in up + down {
                expect(arrival.at - mended, near: .microseconds(41_211), within: .microseconds(300))
            }
            try emulator.mend(0)
        }

        @Test("cutting one link leaves the other alone")
        func otherLink() throws {
            let profile = Self.profile(10, .milliseconds(20))
            let bed = try EmulatedLink([(profile, profile), (profile, profile)])
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            _ = try emulator.cut(1)
            try bed.sendUp(1, frame: 100)
            #expect(try bed.routerSocket.drain().map(\.number) == [1])
            try emulator.mend(1)
            _ = try emulator.cut(0)
            try bed.sendUp(2, frame: 100)
            #expect(try bed.routerSocket.drain().isEmpty)
            let second = bed.planned[1].path
            let socket = try DatagramSocket(
                in: bed.client, second.clientAddress, peer: second.routerAddress)
            let peer = try DatagramSocket(
                in: bed.router, second.routerAddress, peer: second.clientAddress)
            try socket.send(3, bytes: 100)
            #expect(try peer.drain().map(\.number) == [3])
        }

        @Test("an interface that comes up again is served at once")
        func downAndUp() throws {
            let bed = try EmulatedLink(Self.profile(10, .milliseconds(20)))
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let path = bed.planned[0].path
            _ = try emulator.cut(0)
            try bed.clientControl.setDown(path.interface)
            // Until the kernel has told the other end that its carrier is gone.
            let deadline = MonotonicClock.now() + .seconds(5)
            while try bed.linksControl.link(named: "path0-c").isRunning,
                MonotonicClock.now() < deadline
            {
                try bed.wait(.milliseconds(50))
            }
            try emulator.mend(0)
            try bed.clientControl.setUp(path.interface)
            try bed.clientControl.addNeighbour(
                path.routerAddress, hardwareAddress: [2, 0, 0, 0, 0, 2], on: path.interface)
            let start = MonotonicClock.now()
            try bed.sendUp(1, frame: 1000)
            let there = try bed.routerSocket.receive(until: start + .seconds(3))
            try bed.sendDown(2, frame: 1000)
            let turn = MonotonicClock.now()
            let back = try bed.clientSocket.receive(until: turn + .seconds(3))
            expect(
                try #require(there).at - start, near: .microseconds(20_800),
                within: .microseconds(300))
            expect(
                try #require(back).at - turn, near: .microseconds(20_800),
                within: .microseconds(300))
        }

        @Test("the commands of the plan make the same queues and filters")
        func commands() throws {
            let first = Self.profile(50, .milliseconds(10)) {
                $0.queue = .time(.milliseconds(40))
                $0.loss = .gilbertElliott(
                    goodToBad: 0.01, badToGood: 0.25, lossInGood: 0.001, lossInBad: 0.5)
                $0.corruption = 0.001
            }
            let second = Self.profile(20, .milliseconds(30)) {
                $0.jitter = .milliseconds(2)
                $0.duplication = 0.01
            }
            let third = Self.profile(nil, .milliseconds(30)) {
                $0.jitter = .milliseconds(2)
                $0.loss = .bernoulli(0.02)
            }
            let profiles = [(first, second), (third, first)]
            let ours = try EmulatedLink(profiles)
            let emulator = try ours.emulate()
            defer { emulator.stop() }
            let theirs = try EmulatedLink(profiles)
            let step = PlanStep.startLinks(.netem, theirs.planned)
            for command in step.commands({ _ in theirs.links.name }) {
                let words = command.split(separator: " ").map(String.init)
                let outcome = try ChildProcess.run(words[0], Array(words.dropFirst()))
                #expect(outcome.exit.isSuccess, "\(command): \(outcome.error)")
            }
            #expect(try queues(ours).contains("loss gemodel p 1% r 25% 1-h 50% 1-k 0.1%"))
            let made = try (ours: queues(ours), theirs: queues(theirs))
            #expect(made.ours == made.theirs)
            for name in ["path0-c", "path0-r", "path1-c", "path1-r"] {
                let show = "filter show dev \(name) ingress"
                #expect(try tc(ours, show).contains("mirred (Egress Redirect to device path"))
                #expect(try tc(ours, show) == tc(theirs, show))
            }
            emulator.stop()
            #expect(try !queues(ours).contains("netem"))
            #expect(try !queues(ours).contains("ingress"))
        }

        /// Without the handles that the kernel chose.
        private func queues(_ bed: EmulatedLink) throws -> String {
            try tc(bed, "qdisc show").split(separator: "\n").map { line in
                line.split(separator: " ").enumerated()
                    .filter { $0.offset != 2 || $0.element == "1:" }
                    .map { String($0.element) }.joined(separator: " ")
            }.joined(separator: "\n")
        }

        private func tc(_ bed: EmulatedLink, _ words: String) throws -> String {
            let outcome = try ChildProcess.run(
                "tc", words.split(separator: " ").map(String.init), in: bed.links)
            #expect(outcome.exit.isSuccess, "\(outcome.error)")
            // Actions are numbered through the namespace.
            return outcome.output.split(separator: "\n")
                .filter { !$0.contains("index ") }.joined(separator: "\n")
        }
    }
}
