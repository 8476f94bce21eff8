internal import NetworkPrimitives
package import TraceAnalysis

/// One path as the energy of its radio depends on it.
package struct MeasuredRadio: Hashable, Sendable {
    /// The path: `wifi`.
    package var path: String
    /// The client's interface, by whose name the radio is known.
    package var interface: String
    /// The point of the captures at that interface.
    package var point: Int
    /// When the interface was up, on the captures' clock, in the order of time.
    package var up: [Range<Int64>]

    package init(path: String, interface: String, point: Int, up: [Range<Int64>]) {
        self.path = path
        self.interface = interface
        self.point = point
        self.up = up
    }
}

extension RunResult {
    /// Takes the energy and the time of each radio from the packets at the client's interfaces.
    package mutating func measureRadios(_ packets: [TracePacket], _ radios: [MeasuredRadio]) {
        energy = []
        radioOn = []
        if packets.isEmpty {
            return setRadiosUnknown(radios.map(\.path), because: "nothing was captured")
        }
        var total = 0.0
        var missing: String?
        for radio in radios {
            guard let model = RadioModel(interface: radio.interface) else {
                let reason = "no radio model for interface \(radio.interface)"
                missing = missing ?? reason
                energy.append(PathNumber(radio.path, .unknown(reason)))
                radioOn.append(PathNumber(radio.path, .unknown(reason)))
                continue
            }
            let times = packets.lazy.filter { $0.point == radio.point }.map(\.time)
            let use = model.use(by: times, switchedOn: radio.up)
            total += use.joules
            energy.append(PathNumber(radio.path, .value(use.joules)))
            radioOn.append(PathNumber(radio.path, .value(use.timeOn.milliseconds)))
        }
        set(.energy, missing.map(Measured.unknown) ?? .value(total))
    }

    /// Says of all radios why nothing is known of them.
    package mutating func setRadiosUnknown(_ paths: [String], because reason: String) {
        energy = paths.map { PathNumber($0, .unknown(reason)) }
        radioOn = energy
        setUnknown(.energy, because: reason)
    }
}
