internal import Glibc
internal import HeapModule
internal import LinkModel
internal import LinuxSystem
internal import Middlebox
internal import NetworkPrimitives
internal import PacketDevice

/// One direction of a link in real time: frames are taken from one device, held as long as the link
/// model says, and sent on through the other.
///
/// Frames stand in slots that were allocated at the start; nothing is allocated per frame.
final class RelayDirection {
    private var model: LinkDirection
    private let source: PacketSocketDevice
    private let target: PacketSocketDevice
    private let slots: FrameSlots
    private let way: TransitDirection
    /// What touches the frames that come out of this direction, or go into it.
    private let middleboxes: RelayMiddleboxes?
    private let radio: RelayRadio?
    /// The other direction of the link, where boxes may send something, too.
    weak var opposite: RelayDirection?
    private var unflushed = 0
    private var held: Heap<HeldFrame> = []
    private var order: UInt64 = 0
    private var lastArrival = Instant(nanoseconds: 0)
    private var delivered = 0
    private var refused = 0
    private var lateness: Int64 = 0
    private var maximumLateness: Int64 = 0

    private struct HeldFrame: Comparable {
        var due: Int64
        /// Of two that are due at once, the earlier comes first.
        var order: UInt64
        var slot: Int32
        var length: Int32
        var offload: VirtualHeader

        static func < (first: Self, second: Self) -> Bool {
            (first.due, first.order) < (second.due, second.order)
        }
        static func == (first: Self, second: Self) -> Bool { first.order == second.order }
    }

    init(
        model: LinkDirection, from source: PacketSocketDevice, to target: PacketSocketDevice,
        slots: FrameSlots, way: TransitDirection, radio: RelayRadio? = nil,
        middleboxes: RelayMiddleboxes? = nil
    ) {
        self.way = way
        self.radio = radio
        self.middleboxes = middleboxes
        self.model = model
        self.source = source
        self.target = target
        self.slots = slots
        held.reserveCapacity(slots.count)
    }

    /// When the next frame is to be sent on.
    var nextDue: Instant? { held.min.map { Instant(nanoseconds: $0.due) } }

    /// Takes in what has arrived.
    func receive() throws(DeviceError) {
        while true {
            let count: Int
            do {
                count = try source.receive()
            } catch .linkDown {
                // Somebody took this end down by hand; it may come up again.
                return
            }
            if count == 0 { return }
            let wallClock = WallClock.nanoseconds()
            let now = RelayClock.now()
            for index in 0..<count {
                let frame = source.frame(at: index)
                // From when it came, not from when it was fetched: a late look delays nothing.
                let arrival = RelayClock.arrival(of: frame, now: now, wallClock: wallClock)
                lastArrival = max(lastArrival, arrival)
                take(frame, lastArrival)
            }
            if count < source.batchSize { return }
        }
    }

    private func take(_ frame: ReceivedFrame, _ arrival: Instant) {
        guard frame.bytes.count <= slots.size else {
            refused += 1
            return
        }
        if way == .down, let middleboxes {
            middleboxes.pass(
                frame.bytes, offload: frame.header, way, now: arrival
            ) { dispatch($0, $1, $2, now: arrival) }
        } else {
            admit(frame.bytes, frame.header, now: arrival)
        }
    }

    /// Sends on what leaves the boxes: up it has the link behind it, down before it.
    private func dispatch(
        _ bytes: UnsafeRawBufferPointer, _ offload: VirtualHeader, _ way: TransitDirection,
        now: Instant
    ) {
        let direction = way == self.way ? self : opposite
        switch way {
        case .up: direction?.send(bytes, offload)
        case .down: direction?.admit(bytes, offload, now: now)
        }
    }

    /// Gives a frame to the link model and holds it as long as that says.
    private func admit(
        _ bytes: UnsafeRawBufferPointer, _ offload: VirtualHeader, now: Instant
    ) {
        guard bytes.count <= slots.size else {
            refused += 1
            return
        }
        let ready = model.isUp ? radio?.state.pass(now: now) : nil
        switch model.offer(bytes: bytes.count, radioReady: ready, now: now) {
        case .deliver(let due): hold(bytes, offload, until: due)
        case .deliverTwice(let first, let second):
            hold(bytes, offload, until: first)
            hold(bytes, offload, until: second)
        case .corrupt(let due, let bit): hold(bytes, offload, until: due, flipping: bit)
        case .drop: break
        }
    }

    private func hold(
        _ frame: UnsafeRawBufferPointer, _ offload: VirtualHeader, until due: Instant,
        flipping bit: Int? = nil
    ) {
        guard let slot = slots.take() else {
            refused += 1
            return
        }
        let bytes = slots.bytes(slot)
        bytes.copyMemory(from: frame)
        if let bit, bit / 8 < frame.count { bytes[bit / 8] ^= 0x80 >> (bit % 8) }
        held.insert(
            HeldFrame(
                due: due.nanoseconds, order: order, slot: slot, length: Int32(frame.count),
                offload: offload))
        order += 1
    }

    /// Sends on what is due.
    func release(_ now: Instant) throws(DeviceError) {
        if way == .up { middleboxes?.handleDeadline(now: now) { dispatch($0, $1, $2, now: now) } }
        while let frame = held.min, frame.due <= now.nanoseconds {
            held.removeMin()
            defer { slots.giveBack(frame.slot) }
            let bytes = UnsafeRawBufferPointer(
                start: slots.bytes(frame.slot).baseAddress, count: Int(frame.length))
            let sentBefore = unflushed
            if way == .up, let middleboxes {
                middleboxes.pass(bytes, offload: frame.offload, way, now: now) {
                    dispatch($0, $1, $2, now: now)
                }
            } else {
                send(bytes, frame.offload)
            }
            guard unflushed > sentBefore else { continue }
            let late = now.nanoseconds - frame.due
            lateness += late
            maximumLateness = max(maximumLateness, late)
        }
        guard unflushed > 0 else { return }
        delivered += unflushed
        unflushed = 0
        do {
            _ = try target.flush()
        } catch .linkDown {
            // As for a cable that is not plugged in.
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer, _ header: VirtualHeader) {
        let isPlain = !header.needsChecksum && !header.isSuperPacket
        if target.send(bytes, offload: isPlain ? .none : .asReceived(header)) {
            unflushed += 1
        } else {
            refused += 1
        }
    }

    /// A run begins: its chances follow from this generator.
    func begin(_ generator: SeededGenerator) {
        model.reseed(generator)
        maximumLateness = 0
    }

    /// Cuts, dropping what is inside, or mends.
    func setUp(_ isUp: Bool) {
        model.setUp(isUp)
        guard !isUp else { return }
        while let frame = held.popMin() { slots.giveBack(frame.slot) }
    }

    /// Carries frames that come from now on as this says.
    func setProfile(_ profile: LinkProfile) { model.profile = profile }

    var statistics: LinkStatistics.Direction {
        var result = LinkStatistics.Direction()
        result.delivered = delivered
        result.queueDrops = model.statistics.queueDrops
        result.losses = model.statistics.losses
        // What was on its way out when a link went down is lost as on a cable.
        let (device, out) = (source.statistics, target.statistics)
        result.downDrops = model.statistics.downDrops + Int(out.framesLost)
        result.refused =
            refused + Int(device.framesTruncated + device.kernelDrops + out.framesRejected)
        result.meanLateness = .nanoseconds(delivered > 0 ? lateness / Int64(delivered) : 0)
        result.maximumLateness = .nanoseconds(maximumLateness)
        return result
    }
}

/// The radio of a link, which both of its directions go through.
final class RelayRadio {
    var state: RadioState

    init(_ promotion: RadioPromotion) { state = RadioState(promotion) }
}

/// Room for frames, allocated once. A page that no frame ever stood in costs nothing.
final class FrameSlots {
    let count: Int
    /// Octets of one slot.
    let size: Int
    private let memory: UnsafeMutableRawPointer
    /// Last in, first out: slots that were used lately are in the cache.
    private var free: [Int32]

    /// Octets for one frame: a full one with Ethernet header, VLAN tag and virtio header, and as much
    /// again, because boxes may make it longer.
    static func size(mtu: Int) -> Int { 2 * mtu + 32 }

    /// How many frames a link can hold at a time: what its rate sends while a frame is inside, full
    /// frames and as many again for small ones, and what its queue takes where that is said in packets.
    ///
    /// - Parameter radio: How long the radio may hold a frame back.
    static func count(for profile: LinkProfile, radio: Duration, mtu: Int) -> Int {
        guard let rate = profile.rate else { return least }
        let frame = Double(mtu + 14)
        let octets = Double(rate.bitsPerSecond) / 8
        var inside = profile.oneWayDelay + profile.jitter + radio
        var queued = 0.0
        switch profile.queue {
        case .packets(let count): queued = Double(count)
        case .bytes(let count): queued = 2 * Double(count) / frame
        case .time(let time): inside += time
        }
        let flying = 2 * octets * inside.milliseconds / 1_000 / frame
        // Double first: an Int could not hold what a long fast link asks for.
        return max(least, Int(min(flying + queued + 1, Double(most / size(mtu: mtu)))))
    }

    /// A change may make the link longer. 16384 full frames are 25 MB, and more than 2 s at 100 Mbit/s.
    private static let least = 16_384

    /// Octets of address space, of which what is used counts.
    private static let most = 4 << 30

    /// Room for what a link can hold, as `count` says.
    init(for profile: LinkProfile, radio: Duration, mtu: Int) throws(DeviceError) {
        count = Self.count(for: profile, radio: radio, mtu: mtu)
        size = Self.size(mtu: mtu)
        guard let memory = malloc(count * size) else {
            throw .system(SystemError("room for \(count) frames of a link", code: ENOMEM))
        }
        self.memory = memory
        free = (0..<Int32(count)).reversed()
    }

    deinit { Glibc.free(memory) }

    func take() -> Int32? { free.popLast() }

    func giveBack(_ slot: Int32) { free.append(slot) }

    func bytes(_ slot: Int32) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory + Int(slot) * size, count: size)
    }
}
