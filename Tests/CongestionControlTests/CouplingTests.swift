import CongestionControl
import NetworkPrimitives
import Testing

/// RFC 6356, OLIA and BALIA as arithmetic: what holds for any two paths.
@Suite("Coupled congestion avoidance")
struct CouplingTests {
    private static let kinds: [CoupledKind] = [.lia, .olia, .balia]

    private func path(
        _ segments: Int, _ milliseconds: Int, betweenLosses: Int = 0
    ) -> PathSample {
        PathSample(
            window: segments * segment, roundTrip: .milliseconds(milliseconds),
            acknowledgedBetweenLosses: betweenLosses * segment)
    }

    @Test("one path alone is Reno", arguments: kinds)
    func alone(_ kind: CoupledKind) {
        let coupling = Coupling(kind, path: 0, of: [path(20, 30)])
        #expect(abs(coupling.increase * Double(20 * segment) - 1) < 1e-9)
        #expect(coupling.decrease == 0.5)
    }

    /// Per round trip each path of two equal ones grows by a quarter segment: together they grow by
    /// half of what one TCP with the same total would, and hold twice the window before a loss.
    @Test("two equal paths grow as one flow", arguments: kinds)
    func equalPaths(_ kind: CoupledKind) {
        let paths = [path(10, 50), path(10, 50)]
        let coupling = Coupling(kind, path: 0, of: paths)
        // Segments per round trip: window octets acknowledged, times the segment size.
        let growth = coupling.increase * Double(10 * segment)
        #expect(abs(growth - 0.25) < 0.01)
    }

    /// What RFC 6356, 2 asks of a coupling (goal 2), path by path for LIA and BALIA. OLIA adds to a
    /// good path of small window what it takes from those of the largest one, without a cap: a path
    /// may be above Reno by that much, all together are not.
    @Test("no path, and in OLIA no connection, is more aggressive than Reno", arguments: kinds)
    func neverAboveReno(_ kind: CoupledKind) {
        var generator = SeededGenerator(seed: 77)
        for _ in 0..<2_000 {
            let paths = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                path(
                    Int.random(in: 1...500, using: &generator),
                    Int.random(in: 1...400, using: &generator),
                    betweenLosses: Int.random(in: 0...5_000, using: &generator))
            }
            // Segments of growth while each path has one window acknowledged.
            var growth = 0.0
            for index in paths.indices {
                let coupling = Coupling(kind, path: index, of: paths)
                #expect(coupling.increase.isFinite)
                // BALIA answers a slow path's losses with up to three quarters.
                #expect(coupling.decrease >= 0.5 && coupling.decrease <= 0.75)
                let own = coupling.increase * Double(paths[index].window)
                growth += own
                #expect(own <= (kind == .olia ? 1.500_001 : 1.000_001))
            }
            if kind == .olia { #expect(growth <= 1.000_001) }
        }
    }

    /// RFC 6356, 2: the total throughput of LIA at equal loss is that of a TCP on the best path.
    @Test("at equal loss LIA takes as much as Reno on the best path")
    func equilibrium() {
        // At loss p a window grows by increase * MSS per acknowledged octet and halves per loss.
        var windows = [40.0, 40.0]
        let roundTrips = [20, 100]
        let loss = 0.001
        for _ in 0..<400_000 {
            let paths = zip(windows, roundTrips).map { path(max(Int($0), 1), $1) }
            for index in windows.indices {
                let coupling = Coupling(.lia, path: index, of: paths)
                let scaled = coupling.increase * Double(segment)
                // Rates are in proportion to 1/rtt.
                let share = 20.0 / Double(roundTrips[index])
                windows[index] +=
                    share * (scaled - loss * coupling.decrease * windows[index] / 2)
                windows[index] = max(windows[index], 1)
            }
        }
        let total = zip(windows, roundTrips).reduce(0) { $0 + $1.0 / Double($1.1) }
        // Fluid Reno in the same arithmetic: 1/w = p w / 4.
        let reno = (4 / loss).squareRoot() / 20
        #expect(total < 1.1 * reno)
        #expect(total > 0.8 * reno)
    }

    @Test("OLIA moves from the largest window to the path with the better prospect")
    func shift() {
        let paths = [path(100, 50, betweenLosses: 100), path(10, 50, betweenLosses: 1_000)]
        let large = Coupling(.olia, path: 0, of: paths).increase * Double(100 * segment)
        let small = Coupling(.olia, path: 1, of: paths).increase * Double(10 * segment)
        let base = 100.0 * 100 / (110 * 110)
        #expect(abs(large - (base - 0.5)) < 0.01)
        #expect(abs(small - (100.0 / (110 * 110) + 0.5)) < 0.01)
    }

    @Test("BALIA takes more of the slow path's window at a loss")
    func baliaDecrease() {
        let paths = [path(100, 20), path(10, 80)]
        #expect(Coupling(.balia, path: 0, of: paths).decrease == 0.5)
        #expect(Coupling(.balia, path: 1, of: paths).decrease == 0.75)
    }

    @Test(
        "a controller follows its coupling", arguments: [CongestionControlKind.lia, .olia, .balia])
    func controller(_ kind: CongestionControlKind) throws {
        var coupled = CongestionController.avoiding(kind, segments: 100)
        var reno = CongestionController.avoiding(.reno, segments: 100)
        let name = try #require(kind.coupled)
        coupled.couple(Coupling(name, path: 0, of: [path(100, 50), path(100, 50)]))
        let before = coupled.window
        for _ in 0..<400 {
            coupled.grow(by: segment, now: .zero)
            reno.grow(by: segment, now: .zero)
        }
        let growth = coupled.window - before
        #expect(growth > 0)
        #expect(Double(growth) < 0.4 * Double(reno.window - before))
        // ACK division: the same octets in ten times as many ACKs grow the window no faster.
        var divided = CongestionController.avoiding(kind, segments: 100)
        divided.couple(Coupling(name, path: 0, of: [path(100, 50), path(100, 50)]))
        for _ in 0..<4_000 { divided.grow(by: segment / 10, now: .zero) }
        #expect(abs(divided.window - coupled.window) <= segment)
    }

    @Test("a penalty halves the window and leaves slow start alone")
    func penalty() {
        var starting = CongestionController(.lia)
        let window = starting.window
        starting.penalise()
        #expect(starting.window == window / 2)
        #expect(starting.slowStartThreshold == .max)
        var avoiding = CongestionController.avoiding(.reno, segments: 100)
        avoiding.penalise()
        #expect(avoiding.window == 50 * segment)
        #expect(avoiding.slowStartThreshold == 50 * segment)
    }
}
