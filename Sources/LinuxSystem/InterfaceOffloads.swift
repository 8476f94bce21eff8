internal import CLinux

/// The network offloads of an interface in the calling thread's namespace.
package struct InterfaceOffloads: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let transmitChecksum = InterfaceOffloads(rawValue: 1)
    package static let scatterGather = InterfaceOffloads(rawValue: 2)
    package static let tcpSegmentation = InterfaceOffloads(rawValue: 4)
    package static let genericSegmentation = InterfaceOffloads(rawValue: 8)
    package static let genericReceive = InterfaceOffloads(rawValue: 16)

    /// `ethtool -k INTERFACE`.
    package static func of(_ interface: String) throws(SystemError) -> InterfaceOffloads {
        var mask: UInt32 = 0
        try checked(clinux_offloads(interface, &mask), "ethtool -k \(interface)")
        return InterfaceOffloads(rawValue: mask)
    }

    /// `ethtool -K INTERFACE tx on|off sg on|off tso on|off gso on|off gro on|off`: switches these on
    /// and the others off. What the device cannot switch is passed over.
    package static func set(
        _ enabled: InterfaceOffloads, on interface: String
    ) throws(SystemError) {
        try checked(clinux_set_offloads(interface, enabled.rawValue), "ethtool -K \(interface)")
    }
}
