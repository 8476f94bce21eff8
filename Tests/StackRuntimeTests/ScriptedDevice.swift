import NetworkPrimitives
import PacketDevice
import Synchronization
import WireFormat

/// A device that hands every TCP segment to a script, which drops, changes or multiplies it.
final class ScriptedDevice: PacketDevice {
    /// What becomes of segments on one way; shared by all devices of a stack.
    final class Script: Sendable {
        private let body: Mutex<@Sendable (Segment) -> [Segment]?>

        /// `nil` leaves a segment as it is.
        init(_ body: @escaping @Sendable (Segment) -> [Segment]?) { self.body = Mutex(body) }

        func callAsFunction(_ segment: Segment) -> [Segment]? {
            body.withLock { $0(segment) }
        }
    }

    /// Something that happens once.
    final class Flag: Sendable {
        private let isUp = Mutex(false)

        /// Whether this call was the first.
        func raise() -> Bool {
            isUp.withLock { isUp in
                defer { isUp = true }
                return !isUp
            }
        }

        var isRaised: Bool { isUp.withLock { $0 } }
    }

    private let device: any PacketDevice
    private let outgoing: Script?
    private let incoming: Script?
    private var kept: [Int] = []
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)

    private static let ethernetHeader = 14

    init(_ device: any PacketDevice, outgoing: Script? = nil, incoming: Script? = nil) {
        self.device = device
        self.outgoing = outgoing
        self.incoming = incoming
    }

    deinit { scratch.deallocate() }

    var descriptor: Int32 { device.descriptor }
    var batchSize: Int { device.batchSize }
    var statistics: DeviceStatistics { device.statistics }

    /// Incoming segments are dropped or not; what else a script makes of them does not count.
    func receive() throws(DeviceError) -> Int {
        kept.removeAll(keepingCapacity: true)
        for index in 0..<(try device.receive()) {
            let frame = device.frame(at: index).bytes
            let packet = UnsafeRawBufferPointer(rebasing: frame.dropFirst(Self.ethernetHeader))
            if let incoming,
                let segment = try? Segment(parsing: packet, verification: .checksumNotReady),
                incoming(segment)?.isEmpty == true
            {
                continue
            }
            kept.append(index)
        }
        return kept.count
    }

    func frame(at index: Int) -> ReceivedFrame { device.frame(at: kept[index]) }

    func reserve() -> UnsafeMutableRawBufferPointer? { scratch }

    func commit(length: Int, offload: Offload) {
        let frame = UnsafeRawBufferPointer(rebasing: scratch[..<length])
        let packet = UnsafeRawBufferPointer(rebasing: frame.dropFirst(Self.ethernetHeader))
        guard let outgoing,
            let segment = try? Segment(parsing: packet, verification: .checksumNotReady),
            let results = outgoing(segment)
        else {
            pass(frame, offload)
            return
        }
        for result in results {
            let header = Array(frame.prefix(Self.ethernetHeader))
            (header + result.encodedPacket()).withUnsafeBytes { pass($0, .none) }
        }
    }

    private func pass(_ frame: UnsafeRawBufferPointer, _ offload: Offload) {
        guard let slot = device.reserve(), frame.count <= slot.count else { return }
        slot.copyMemory(from: frame)
        device.commit(length: frame.count, offload: offload)
    }

    func flush() throws(DeviceError) -> FlushResult { try device.flush() }
}

extension Segment {
    var capable: MPCapable? {
        for case .capable(let capable) in header.options.mptcp { return capable }
        return nil
    }

    var join: MPJoin? {
        for case .join(let join) in header.options.mptcp { return join }
        return nil
    }

    /// The same segment without MPTCP's options.
    var withoutMPTCP: Segment {
        var result = self
        result.header.options.mptcp = []
        result.header.options.dss = nil
        return result
    }

    /// The same segment with this option in the place of all of MPTCP's.
    func with(_ option: MPTCPOption) -> Segment {
        var result = withoutMPTCP
        result.header.options.mptcp = [option]
        return result
    }
}
