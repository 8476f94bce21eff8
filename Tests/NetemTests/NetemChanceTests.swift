import LinkModel
import LinuxSystem
import NetworkPrimitives
import Testbed
import Testing

extension NetemNamespaceTests {
    /// Loss, duplication, corruption and jitter on real netem. The kernel's generator has no seed that one
    /// could set, so shares are right within five standard deviations.
    @Suite("Chance on netem") struct NetemChanceTests {
        private static func profile(_ change: (inout LinkProfile) -> Void) -> LinkProfile {
            var profile = LinkProfile(
                rate: BitRate(bitsPerSecond: 100_000_000), oneWayDelay: .milliseconds(20))
            change(&profile)
            return profile
        }

        /// What arrives of so many frames, one each half millisecond.
        private func arrivals(of count: Int, on bed: EmulatedLink) throws -> [DatagramSocket
            .Arrival]
        {
            let start = MonotonicClock.now()
            for number in 0..<count {
                try bed.wait(until: start + .microseconds(500 * number))
                try bed.sendUp(number, frame: 542)
            }
            return try bed.routerSocket.drain()
        }

        private func expect(
            _ count: Int, of total: Int, near share: Double,
            _ location: SourceLocation = #_sourceLocation
        ) {
            let mean = Double(total) * share
            let deviation = (mean * (1 - share)).squareRoot()
            #expect(
                abs(Double(count) - mean) < 5 * deviation, "\(count) of \(total), share \(share)",
                sourceLocation: location)
        }

        @Test("random loss has its share")
        func loss() throws {
            let bed = try EmulatedLink(Self.profile { $0.loss = .bernoulli(0.1) })
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let arrived = try arrivals(of: 2000, on: bed)
            expect(2000 - arrived.count, of: 2000, near: 0.1)
            let counted = try emulator.statistics()[0].up
            #expect(counted.losses == 2000 - arrived.count && counted.queueDrops == 0)
        }

        @Test("loss in bursts has its share and its length")
        func burstLoss() throws {
            let bed = try EmulatedLink(
                Self.profile {
                    $0.loss = .gilbertElliott(
                        goodToBad: 0.02, badToGood: 0.2, lossInGood: 0, lossInBad: 1)
                })
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let arrived = Set(try arrivals(of: 4000, on: bed).map(\.number))
            let lost = (0..<4000).filter { !arrived.contains($0) }
            let bursts = lost.filter { arrived.contains($0 - 1) }.count
            // 1 in 11 is bad, five in a row on average: 364 in 73 bursts, with standard deviations of 57
            // losses and of 0.5 in the mean length. Single losses would be 1.1 in a row.
            #expect((80...650).contains(lost.count), "\(lost.count)")
            let length = Double(lost.count) / Double(max(bursts, 1))
            #expect((2.4...7.6).contains(length), "\(length)")
        }

        @Test("duplicates arrive, with a rate and without", arguments: [true, false])
        func duplication(hasRate: Bool) throws {
            let bed = try EmulatedLink(
                Self.profile {
                    $0.duplication = 0.2
                    if !hasRate { $0.rate = nil }
                })
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let arrived = try arrivals(of: 1000, on: bed)
            #expect(Set(arrived.map(\.number)).count == 1000)
            expect(arrived.count - 1000, of: 1000, near: 0.2)
        }

        @Test("a corrupted frame arrives with a wrong checksum")
        func corruption() throws {
            let bed = try EmulatedLink(Self.profile { $0.corruption = 0.5 })
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let intact = try arrivals(of: 1000, on: bed).count
            // A bit of the Ethernet source address, for one, hurts nobody.
            expect(1000 - intact, of: 1000, near: 0.49)
            let errors = try NamespaceThread.run(in: bed.router) {
                try checksumErrors()
            }
            // The rest was hit in a header and went astray before UDP looked.
            #expect(errors > (1000 - intact) * 8 / 10, "\(errors) of \(1000 - intact)")
        }

        /// `nstat -az UdpInCsumErrors`
        private func checksumErrors() throws -> Int {
            let lines = try TextFile.read("/proc/thread-self/net/snmp").split(separator: "\n")
                .filter { $0.hasPrefix("Udp:") }.map { $0.split(separator: " ") }
            guard lines.count == 2, let column = lines[0].firstIndex(of: "InCsumErrors") else {
                return 0
            }
            return Int(lines[1][column]) ?? 0
        }

        @Test("jitter spreads delays, and reorders only where it may", arguments: [false, true])
        func jitter(reorders: Bool) throws {
            let bed = try EmulatedLink(
                Self.profile {
                    $0.jitter = .milliseconds(5)
                    $0.reorders = reorders
                })
            let emulator = try bed.emulate()
            defer { emulator.stop() }
            let start = MonotonicClock.now()
            let arrived = try arrivals(of: 1000, on: bed)
            #expect(Set(arrived.map(\.number)).count == 1000)
            #expect((arrived.map(\.number) == Array(0..<1000)) == !reorders)
            let delays = arrived.map { ($0.at - start).milliseconds - 0.5 * Double($0.number) }
                .sorted()
            // 20 ms +- 5 ms, and 43 us on the line. Who must not overtake waits for the slowest.
            #expect(delays[0] > 15 && delays[0] < (reorders ? 16 : 20), "\(delays[0])")
            #expect(delays[989] > 23 && delays[989] < 26, "\(delays[989])")
        }
    }
}
