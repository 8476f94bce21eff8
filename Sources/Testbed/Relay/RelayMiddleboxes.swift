internal import Middlebox
internal import NetworkPrimitives
internal import PacketDevice

/// The boxes of a link in real time, at the router's end: they have what came over the link, and what
/// is about to go over it.
///
///     client --- [up: queue, line, delay] ---> boxes --- router
///     client <--- [down: queue, line, delay] --- boxes --- router
final class RelayMiddleboxes {
    private var chain: MiddleboxChain
    /// The Ethernet header that frames of a direction have; neighbours are permanent.
    private var headers: [TransitDirection: [UInt8]] = [:]
    private var frame: [UInt8] = []

    init(_ chain: MiddleboxChain) { self.chain = chain }

    /// Has other boxes in their place, which have seen nothing yet.
    func replace(by chain: MiddleboxChain) { self.chain = chain }

    /// When `handleDeadline` is next due.
    var deadline: Instant? { chain.deadline }

    /// Takes a frame and gives `emit` each that leaves for it.
    func pass(
        _ bytes: UnsafeRawBufferPointer, offload: VirtualHeader, _ direction: TransitDirection,
        now: Instant, emit: (UnsafeRawBufferPointer, VirtualHeader, TransitDirection) -> Void
    ) {
        guard Self.isIP(bytes) else { return emit(bytes, offload, direction) }
        let packet = [UInt8](bytes[Self.headerLength...])
        learn([UInt8](bytes[..<Self.headerLength]), direction)
        let emissions = chain.receive(
            packet, direction, isChecksumReady: !offload.needsChecksum, now: now)
        for emission in emissions {
            if emission.octets == packet, emission.direction == direction {
                // Untouched; what its sender left to the device is still to be done.
                emit(bytes, offload, direction)
            } else {
                self.emit(emission, emit)
            }
        }
    }

    /// Has the boxes do what is due.
    func handleDeadline(
        now: Instant, emit: (UnsafeRawBufferPointer, VirtualHeader, TransitDirection) -> Void
    ) {
        guard let deadline = chain.deadline, deadline <= now else { return }
        for emission in chain.handleDeadline(now: now) { self.emit(emission, emit) }
    }

    private func emit(
        _ emission: MiddleboxChain.Emission,
        _ emit: (UnsafeRawBufferPointer, VirtualHeader, TransitDirection) -> Void
    ) {
        guard let header = headers[emission.direction] else { return }
        frame.removeAll(keepingCapacity: true)
        frame += header
        frame += emission.octets
        frame.withUnsafeBytes { emit($0, VirtualHeader(), emission.direction) }
    }

    /// What goes back has the addresses the other way round.
    private func learn(_ header: [UInt8], _ direction: TransitDirection) {
        headers[direction] = header
        if headers[direction.opposite] == nil {
            headers[direction.opposite] =
                [UInt8](header[6..<12] + header[0..<6] + header[12...])
        }
    }

    private static func isIP(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > headerLength else { return false }
        let type = UInt16(bytes[12]) << 8 | UInt16(bytes[13])
        return type == 0x0800 || type == 0x86dd
    }

    private static let headerLength = 14
}
