import NetworkPrimitives
import Testing
import TraceAnalysis

@Suite("Energy of radios")
struct RadioModelTests {
    private static func use(
        _ model: RadioModel, _ packets: [Double], on: [Range<Double>] = [-1e6..<1e6]
    ) -> RadioUse {
        func nanoseconds(_ milliseconds: Double) -> Int64 { Int64((milliseconds * 1e6).rounded()) }
        return model.use(
            by: packets.map(nanoseconds),
            switchedOn: on.map { nanoseconds($0.lowerBound)..<nanoseconds($0.upperBound) })
    }

    private static func isNear(_ value: Double, _ expected: Double) -> Bool {
        abs(value - expected) <= 1e-9 * max(1, expected)
    }

    /// Huang et al.: one packet from idle takes 12.8 J in 11.836 s by LTE and 0.04 J in 0.317 s by WiFi.
    @Test("one packet costs what was published")
    func onePacket() {
        let lte = Self.use(.lte, [5])
        #expect(abs(lte.joules - 12.8) < 0.02 * 12.8)
        #expect(lte.timeOn == .microseconds(11_836_100))
        // 1.2107 W for 260.1 ms, 1.6802 W for 100 ms, 1.06 W for 11476 ms.
        #expect(Self.isNear(lte.joules, 0.31490307 + 0.16802 + 12.16456))
        let wifi = Self.use(.wifi, [5])
        #expect(abs(wifi.joules - 0.04) < 0.002)
        #expect(wifi.timeOn == .microseconds(317_200))
    }

    @Test("nothing costs nothing")
    func nothing() {
        #expect(Self.use(.lte, []) == RadioUse(joules: 0, timeOn: .zero))
    }

    @Test("traffic prolongs what state there is")
    func prolonging() {
        let one = Self.use(.lte, [0]).joules
        // While it wakes nothing is added; 50 ms behind that all is active; 500 ms behind are 100 ms
        // active and 400 ms of tail.
        #expect(Self.isNear(Self.use(.lte, [0, 100, 260.1]).joules, one))
        #expect(Self.isNear(Self.use(.lte, [0, 310.1]).joules, one + 1.6802 * 0.05))
        #expect(
            Self.isNear(Self.use(.lte, [0, 760.1]).joules, one + 1.6802 * 0.1 + 1.06 * 0.4))
        #expect(Self.use(.lte, [0, 760.1]).timeOn == .microseconds(12_336_100))
        // Right at the end of the tail it sleeps, and has to wake again; a second later as well.
        #expect(Self.isNear(Self.use(.lte, [0, 11_836.1]).joules, 2 * one))
        let idle = 0.5943 * 43.2 / 1280
        #expect(Self.isNear(Self.use(.lte, [0, 12_836.1]).joules, 2 * one + idle))
        #expect(Self.use(.lte, [0, 12_836.1]).timeOn == .microseconds(23_672_200))
        #expect(Self.use(.lte, [760.1, 0, 100]) == Self.use(.lte, [0, 100, 760.1]))
    }

    @Test("a radio that is switched off has no tail")
    func off() {
        let wifi = Self.use(.wifi, [0, 100], on: [0..<150])
        #expect(wifi.timeOn == .milliseconds(150))
        #expect(Self.isNear(wifi.joules, 0.1244 * 0.0791 + 0.1193 * 0.0709))
        #expect(Self.use(.wifi, [0, 100], on: [0..<10_000]) == Self.use(.wifi, [0, 100]))
        // Switched off while it wakes it does not get ready, and what comes later is not its doing.
        let early = Self.use(.wifi, [0, 20, 100], on: [0..<50])
        #expect(early.timeOn == .milliseconds(50))
        #expect(Self.isNear(early.joules, 0.1244 * 0.05))
        #expect(Self.use(.wifi, [0, 100], on: []) == RadioUse(joules: 0, timeOn: .zero))
    }

    /// Each time is billed, and nothing between them.
    @Test("a radio that comes back begins anew")
    func offAndOn() {
        let idle = 0.5943 * 43.2 / 1280
        let one = Self.use(.lte, [0])
        let cut = Self.use(.lte, [0], on: [0..<2_000])
        #expect(cut.timeOn == .seconds(2))
        let twice = Self.use(.lte, [0, 30_500], on: [0..<2_000, 30_000..<60_000])
        #expect(twice.timeOn == cut.timeOn + one.timeOn)
        // Half a second of sleep before the packet; none of the 28 s between.
        #expect(Self.isNear(twice.joules, cut.joules + one.joules + 0.5 * idle))
        // Idle before it is switched off and after it is switched on again.
        let asleep = Self.use(.lte, [0, 21_000], on: [0..<12_836.1, 20_000..<60_000])
        #expect(Self.isNear(asleep.joules, 2 * one.joules + 2 * idle))
    }

    @Test("interfaces are known by their names")
    func names() {
        #expect(RadioModel(interface: "wifi0") == .wifi)
        #expect(RadioModel(interface: "wlan1") == .wifi)
        #expect(RadioModel(interface: "lte0") == .lte)
        #expect(RadioModel(interface: "wwan0") == .lte)
        #expect(RadioModel(interface: "sat0") == nil)
        #expect(RadioModel(interface: "") == nil)
    }

    /// A tenth of a millisecond after the other, without any formula.
    private static func stepwise(_ model: RadioModel, _ packets: Set<Int>) -> RadioUse {
        func steps(_ duration: Duration) -> Int { Int(duration.wholeNanoseconds / 100_000) }
        var joules = 0.0
        var on = 0
        var wakingFor = 0
        var quiet: Int?
        for step in 0..<((packets.max() ?? 0) + 200_000) {
            if packets.contains(step) {
                if quiet == nil { wakingFor = steps(model.promotion.duration) }
                quiet = 0
            }
            guard let silence = quiet else {
                let comes = packets.contains { $0 > step } && packets.contains { $0 < step }
                joules += comes ? model.idleMilliwatts * 1e-7 : 0
                continue
            }
            on += 1
            if wakingFor > 0 {
                joules += model.promotion.milliwatts * 1e-7
                wakingFor -= 1
                continue
            }
            joules +=
                1e-7
                * (silence < steps(model.active.duration)
                    ? model.active.milliwatts : model.tail.milliwatts)
            quiet = silence + 1 < steps(model.tail.duration) ? silence + 1 : nil
        }
        return RadioUse(joules: joules, timeOn: .microseconds(Int64(on) * 100))
    }

    @Test("agrees with going step by step", arguments: [1, 2, 3, 4] as [UInt64])
    func oracle(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for model in [RadioModel.lte, .wifi] {
            var time = 0
            var packets: Set<Int> = []
            for _ in 0..<6 {
                let reach = [900, 2_000, 5_000, 60_000, 150_000][Int(generator.next() % 5)]
                time += 1 + Int(generator.next() % UInt64(reach))
                packets.insert(time)
            }
            let expected = Self.stepwise(model, packets)
            let found = model.use(by: packets.map { Int64($0) * 100_000 })
            #expect(found.timeOn == expected.timeOn, "\(packets.sorted())")
            #expect(abs(found.joules - expected.joules) < 1e-6, "\(packets.sorted())")
        }
    }

    @Test("times of a broken capture do not overflow")
    func hostile() {
        let use = RadioModel.lte.use(by: [.min, .max, 0, -1])
        #expect(use.joules.isFinite && use.joules > 0)
        let off = RadioModel.lte.use(
            by: [.min, .max, 0, -1], switchedOn: [.min..<(.min), -5..<0, 1..<(.max)])
        #expect(off.joules.isFinite && off.joules > 0)
    }
}
