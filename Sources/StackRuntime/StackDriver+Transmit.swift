internal import HostStack
internal import LinuxSystem
internal import MPTCP
internal import Netlink
package import NetworkPrimitives
internal import PacketDevice
internal import WireFormat

/// A packet for which there was no route or no neighbour yet.
struct HeldPacket {
    var bytes: [UInt8]
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
        while let transmit = stack.pollTransmit(now: now, into: scratch) {
            let packet = UnsafeRawBufferPointer(rebasing: scratch[..<transmit.length])
            let flow = NextHopTable.Flow(
                source: transmit.source, destination: transmit.destination,
                interface: transmit.interface)
            if !send(packet, flow, now: now) { hold(packet, flow, now: now) }
        }
        for interface in interfaces.all where interface.isDirty { flush(interface) }
    }

    /// Queues a packet on its device; `false` when there is no way for it now.
    private func send(
        _ packet: UnsafeRawBufferPointer, _ flow: NextHopTable.Flow, now: Instant
    ) -> Bool {
        guard let hop = hops.hop(for: flow, among: interfaces, now: now),
            let interface = interfaces.device(hop.interface), let device = interface.device
        else { return false }
        // TCP takes a packet that a full queue drops for lost, and sends less.
        guard let slot = device.reserve(), slot.count >= packet.count + EthernetHeader.length
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
        UnsafeMutableRawBufferPointer(rebasing: slot[EthernetHeader.length...])
            .copyMemory(from: packet)
        device.commit(length: EthernetHeader.length + packet.count, offload: .none)
        interface.isDirty = true
        return true
    }

    private func hold(
        _ packet: UnsafeRawBufferPointer, _ flow: NextHopTable.Flow, now: Instant
    ) {
        guard held.count < Self.heldLimit else {
            counters.unroutablePackets += 1
            return
        }
        counters.heldPackets += 1
        held.append(HeldPacket(bytes: Array(packet), flow: flow, since: now))
    }

    /// Tries again what waits; events have told of routes and neighbours meanwhile.
    private func sendHeld(now: Instant) {
        let waiting = held
        held = []
        for packet in waiting {
            guard now - packet.since < Self.heldPatience,
                interfaces[packet.flow.interface]?.link.isUp == true
            else {
                counters.unroutablePackets += 1
                continue
            }
            let isSent = packet.bytes.withUnsafeBytes { send($0, packet.flow, now: now) }
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
