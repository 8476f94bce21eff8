internal import NetworkPrimitives

/// A device that loses and damages frames, the same ones for the same seed.
package final class FaultInjectingDevice: PacketDevice {
    /// Probabilities, 0...1, for each frame.
    package struct Faults: Hashable, Sendable {
        package var dropIncoming: Double
        package var dropOutgoing: Double
        /// One bit of an outgoing frame is turned over, behind the Ethernet header.
        package var corruptOutgoing: Double

        package init(
            dropIncoming: Double = 0, dropOutgoing: Double = 0, corruptOutgoing: Double = 0
        ) {
            self.dropIncoming = dropIncoming
            self.dropOutgoing = dropOutgoing
            self.corruptOutgoing = corruptOutgoing
        }
    }

    private let device: any PacketDevice
    private let faults: Faults
    private var generator: SeededGenerator
    /// Frames of the last batch that were not dropped.
    private var kept: [Int] = []
    private var reserved: UnsafeMutableRawBufferPointer?

    package init(_ device: any PacketDevice, faults: Faults, seed: UInt64) {
        self.device = device
        self.faults = faults
        generator = SeededGenerator(seed: seed)
        kept.reserveCapacity(device.batchSize)
    }

    package var descriptor: Int32 { device.descriptor }
    package var batchSize: Int { device.batchSize }
    package var statistics: DeviceStatistics { device.statistics }

    /// May return 0 although more frames are waiting; epoll, being level-triggered, tells so.
    package func receive() throws(DeviceError) -> Int {
        kept.removeAll(keepingCapacity: true)
        for index in 0..<(try device.receive())
        where generator.unitInterval() >= faults.dropIncoming {
            kept.append(index)
        }
        return kept.count
    }

    package func frame(at index: Int) -> ReceivedFrame { device.frame(at: kept[index]) }

    package func reserve() -> UnsafeMutableRawBufferPointer? {
        reserved = device.reserve()
        return reserved
    }

    package func commit(length: Int, offload: Offload) {
        // Not committing forgets the frame.
        if generator.unitInterval() < faults.dropOutgoing { return }
        if generator.unitInterval() < faults.corruptOutgoing, let reserved, length > 14 {
            let bit = Int.random(in: 14 * 8..<length * 8, using: &generator)
            reserved[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        device.commit(length: length, offload: offload)
    }

    package func flush() throws(DeviceError) -> FlushResult { try device.flush() }
}
