/// A device that shows every frame to an observer on its way: for captures and logs.
package final class TracingDevice: PacketDevice {
    package enum Direction: Hashable, Sendable {
        case incoming
        case outgoing
    }

    private let device: any PacketDevice
    private let observe: (Direction, UnsafeRawBufferPointer) -> Void
    private var reserved: UnsafeMutableRawBufferPointer?

    /// Wraps `device`. The octets that `observe` is given are valid during the call only. An outgoing
    /// frame is shown when it is queued.
    package init(
        _ device: any PacketDevice,
        observe: @escaping (Direction, UnsafeRawBufferPointer) -> Void
    ) {
        self.device = device
        self.observe = observe
    }

    package var descriptor: Int32 { device.descriptor }
    package var batchSize: Int { device.batchSize }
    package var statistics: DeviceStatistics { device.statistics }

    package func receive() throws(DeviceError) -> Int {
        let count = try device.receive()
        for index in 0..<count { observe(.incoming, device.frame(at: index).bytes) }
        return count
    }

    package func frame(at index: Int) -> ReceivedFrame { device.frame(at: index) }

    package func reserve() -> UnsafeMutableRawBufferPointer? {
        reserved = device.reserve()
        return reserved
    }

    package func commit(length: Int, offload: Offload) {
        if let reserved {
            observe(.outgoing, UnsafeRawBufferPointer(rebasing: reserved[..<length]))
        }
        reserved = nil
        device.commit(length: length, offload: offload)
    }

    package func flush() throws(DeviceError) -> FlushResult { try device.flush() }
}
