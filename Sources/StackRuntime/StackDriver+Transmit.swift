internal import HostStack
internal import LinuxSystem
internal import MPTCP
internal import Netlink
package import NetworkPrimitives
internal import PacketDevice
internal import TCP
internal import WireFormat

/// A packet for which there was no route or no neighbour yet.
struct HeldPacket {
    var bytes: [UInt8]
    var offload: Offload
    var flow: NextHopTable.Flow
    var since: Instant
}

extension StackDriver {
    /// Packets that may wait for a route or a neighbour, and how long: TCP sends again after that.
    private static let heldLimit = 64
    private static let heldPatience = Duration.seconds(1)

    /// Sends everything that the stack has to send, and what waited for a way.
    package func transmit(now: Instant) {
        if !held.isEmpty { sendHeld(now: now) }
        while true {
            // The stack writes straight into the queue of the device where the packet will
            // probably leave.
            let slot = latest?.device?.reserve()
            let room = slot.map { UnsafeMutableRawBufferPointer(rebasing: $0[Self.frameHeader...]) }
            guard let transmit = stack.pollTransmit(now: now, into: room ?? scratch) else { break }
            let flow = NextHopTable.Flow(
                source: transmit.source, destination: transmit.destination,
                interface: transmit.interface)
            let packet = UnsafeMutableRawBufferPointer(
                rebasing: (room ?? scratch)[..<transmit.length])
            let offload = Offload(transmit.offload, isV6: flow.source.isV6)
            if !send(packet, offload, payload: transmit.payload, in: slot, flow, now: now) {
                transmit.payload?.copy(toEndOf: packet)
                hold(UnsafeRawBufferPointer(packet), offload, flow, now: now)
            }
        }
        for interface in interfaces.all where interface.isDirty { flush(interface) }
    }

    private static let frameHeader = EthernetHeader.length

    /// Queues a packet on its device; `false` when there is no way for it now.
    ///
    /// - Parameters:
    ///   - payload: the packet's last octets, which are not in it yet.
    ///   - slot: what `latest` reserved, with the packet in its place already.
    private func send(
        _ packet: UnsafeMutableRawBufferPointer, _ offload: Offload,
        payload: LentBytes? = nil, in slot: UnsafeMutableRawBufferPointer? = nil,
        _ flow: NextHopTable.Flow, now: Instant
    ) -> Bool {
        guard let hop = hops.hop(for: flow, among: interfaces, now: now),
            let interface = interfaces.device(hop.interface), let device = interface.device
        else { return false }
        let isInPlace = slot != nil && interface === latest
        // TCP takes a packet that a full queue drops for lost, and sends less.
        guard let slot = isInPlace ? slot : device.reserve(),
            slot.count >= packet.count + Self.frameHeader
        else {
            counters.droppedPackets += 1
            interface.isDirty = true
            return true
        }
        var writer = ByteWriter(slot)
        EthernetHeader(
            destination: hop.hardwareAddress, source: interface.hardwareAddress,
            type: flow.source.isV6 ? .ipv6 : .ipv4
        ).encode(into: &writer)
        interface.isDirty = true
        if isInPlace, let payload, let device = device as? PacketSocketDevice {
            device.commit(
                length: Self.frameHeader + packet.count - payload.count, offload: offload,
                payload: .init(payload.first), payload.second.map { .init($0) })
            return true
        }
        payload?.copy(toEndOf: packet)
        if !isInPlace {
            UnsafeMutableRawBufferPointer(rebasing: slot[Self.frameHeader...])
                .copyMemory(from: UnsafeRawBufferPointer(packet))
            latest = interface
        }
        device.commit(length: Self.frameHeader + packet.count, offload: offload)
        return true
    }

    private func hold(
        _ packet: UnsafeRawBufferPointer, _ offload: Offload, _ flow: NextHopTable.Flow,
        now: Instant
    ) {
        guard held.count < Self.heldLimit else {
            counters.unroutablePackets += 1
            return
        }
        counters.heldPackets += 1
        held.append(
            HeldPacket(bytes: Array(packet), offload: offload, flow: flow, since: now))
    }

    /// Tries again what waits; events have told of routes and neighbours meanwhile.
    private func sendHeld(now: Instant) {
        let waiting = held
        held = []
        for var packet in waiting {
            guard now - packet.since < Self.heldPatience,
                interfaces[packet.flow.interface]?.link.isUp == true
            else {
                counters.unroutablePackets += 1
                continue
            }
            let (offload, flow) = (packet.offload, packet.flow)
            let isSent = packet.bytes.withUnsafeMutableBytes {
                send($0, offload, flow, now: now)
            }
            if !isSent { held.append(packet) }
        }
    }

    /// Gives queued frames to the kernel, once per turn and device.
    private func flush(_ interface: AttachedInterface) {
        interface.isDirty = false
        guard let device = interface.device else { return }
        let isBlocked: Bool
        do throws(DeviceError) {
            isBlocked = try device.flush() != .done
        } catch {
            // Down: the link event says so too. Gone: likewise.
            isBlocked = false
        }
        guard isBlocked != interface.isBlocked else { return }
        interface.isBlocked = isBlocked
        // An error means that the device is gone, and the link event is on its way.
        try? poll.modify(
            device.descriptor, token: Self.token(of: interface.id), writable: isBlocked)
    }

    static func token(of interface: InterfaceID) -> UInt64 {
        UInt64(UInt32(bitPattern: interface.rawValue))
    }
}

extension PacketSocketDevice.Payload {
    fileprivate init(_ piece: LentBytes.Piece) { self.init(bytes: piece.bytes, owner: piece.owner) }
}

extension LentBytes {
    /// Completes a packet for whoever does not fetch its payload.
    fileprivate func copy(toEndOf packet: UnsafeMutableRawBufferPointer) {
        copy(to: UnsafeMutableRawBufferPointer(rebasing: packet.suffix(count)))
    }
}

extension Offload {
    /// The same of a frame.
    fileprivate init(_ packet: PacketOffload?, isV6: Bool) {
        guard let packet else {
            self = .none
            return
        }
        self = .tcp(
            isV6: isV6, transportStart: EthernetHeader.length + packet.transportStart,
            headerLength: EthernetHeader.length + packet.headerLength,
            segmentSize: packet.segmentSize)
    }
}
