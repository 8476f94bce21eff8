import NetworkPrimitives
import PacketDevice
import Testing

/// A device in memory: what is flushed comes back in.
private final class MirrorDevice: PacketDevice {
    let descriptor: Int32 = -1
    let batchSize = 8
    var statistics = DeviceStatistics()
    private let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 16)
    private var queue: [[UInt8]] = []
    private var batch: [UnsafeMutableRawBufferPointer] = []

    deinit {
        slot.deallocate()
        for frame in batch { frame.deallocate() }
    }

    func receive() -> Int {
        for frame in batch { frame.deallocate() }
        batch = queue.prefix(batchSize).map { bytes in
            let copy = UnsafeMutableRawBufferPointer.allocate(
                byteCount: bytes.count, alignment: 16)
            copy.copyBytes(from: bytes)
            return copy
        }
        queue.removeFirst(batch.count)
        return batch.count
    }
    func frame(at index: Int) -> ReceivedFrame {
        ReceivedFrame(
            bytes: UnsafeRawBufferPointer(batch[index]), kind: .host, header: VirtualHeader())
    }
    func reserve() -> UnsafeMutableRawBufferPointer? { slot }
    func commit(length: Int, offload: Offload) { queue.append(Array(slot[..<length])) }
    func flush() -> FlushResult { .done }
}

@Suite("Device middleware")
struct MiddlewareTests {
    private func pass(_ count: Int, through device: any PacketDevice) throws -> [[UInt8]] {
        for number in 0..<count {
            let frame = [UInt8](repeating: 0, count: 20) + [UInt8(number & 0xff)]
            _ = frame.withUnsafeBytes { device.send($0) }
        }
        _ = try device.flush()
        var frames: [[UInt8]] = []
        for _ in 0...count / device.batchSize {
            for index in 0..<(try device.receive()) {
                frames.append(Array(device.frame(at: index).bytes))
            }
        }
        return frames
    }

    @Test("tracing shows every frame, both ways, and changes none")
    func tracing() throws {
        var seen: [TracingDevice.Direction: [[UInt8]]] = [:]
        let device = TracingDevice(MirrorDevice()) { seen[$0, default: []].append(Array($1)) }
        let got = try pass(20, through: device)
        #expect(got.map(\.last) == (0..<20).map { UInt8($0) })
        #expect(seen[.outgoing] == got && seen[.incoming] == got)
    }

    @Test("faults are the same for the same seed and about as many as asked for")
    func faults() throws {
        func run(_ faults: FaultInjectingDevice.Faults, seed: UInt64) throws -> [[UInt8]] {
            try pass(
                2000, through: FaultInjectingDevice(MirrorDevice(), faults: faults, seed: seed))
        }
        let none = try run(.init(), seed: 1)
        #expect(none.count == 2000)
        for faults in [
            FaultInjectingDevice.Faults(dropIncoming: 0.25),
            FaultInjectingDevice.Faults(dropOutgoing: 0.25),
        ] {
            let first = try run(faults, seed: 1)
            #expect((1350...1650).contains(first.count))
            #expect(try run(faults, seed: 1) == first)
            #expect(try run(faults, seed: 2) != first)
        }
        let damaged = try run(.init(corruptOutgoing: 0.5), seed: 3)
        #expect(damaged.count == 2000)
        let changed = zip(damaged, none).filter { $0 != $1 }
        #expect((850...1150).contains(changed.count))
        #expect(changed.allSatisfy { a, b in a[..<14] == b[..<14] })
        #expect(
            changed.allSatisfy { a, b in
                zip(a, b).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount } == 1
            })
    }
}
