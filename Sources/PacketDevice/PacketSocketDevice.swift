internal import CLinux
internal import Glibc
package import LinuxSystem
package import NetworkPrimitives
package import WireFormat

/// One AF_PACKET socket on one interface.
///
/// Bound to all protocols, because the tap of a single one runs behind the nft ingress hook that
/// keeps the kernel silent. Does not see what this host sends itself.
package final class PacketSocketDevice: PacketDevice {
    /// How to open it.
    package struct Configuration: Hashable, Sendable {
        package var filter: PacketFilter
        /// Octets for one frame: 2048 for packets of an ordinary MTU, `superPacketSlot` for all that a
        /// kernel may send over a veth with its offloads on.
        package var slotSize: Int
        /// Frames per batch, 1...1024.
        package var batchSize: Int
        /// Frames that may be queued to be sent; `nil` for as many as there are in a batch.
        package var queueSize: Int?
        /// The kernel's receive buffer in octets.
        package var receiveBuffer: Int
        /// Whether frames tell when they came.
        package var timestamps: Bool

        /// 64 KiB of IP packet with the headers before it.
        package static let superPacketSlot = 65_664

        package init(
            filter: PacketFilter, slotSize: Int = 2048, batchSize: Int = 64, queueSize: Int? = nil,
            receiveBuffer: Int = 8 << 20, timestamps: Bool = false
        ) {
            self.filter = filter
            self.slotSize = slotSize
            self.batchSize = batchSize
            self.queueSize = queueSize
            self.receiveBuffer = receiveBuffer
            self.timestamps = timestamps
        }
    }

    package let interface: InterfaceID
    package let name: String
    /// As it was when the device was opened.
    package let hardwareAddress: MACAddress
    package let batchSize: Int

    private let socket: OwnedDescriptor
    private let slotSize: Int
    private let received: OpaquePointer
    private let queued: OpaquePointer
    /// Slots of `received` that hold whole frames, in order.
    private let valid: UnsafeMutablePointer<Int32>
    private var validCount = 0
    /// The queue is a ring: `queuedCount` slots from `queueHead` on.
    private var queueHead = 0
    private var queuedCount = 0
    private let queueSize: Int
    private var queuedOctets = 0
    /// What keeps the payloads of queued frames, by slot.
    private var owners: [(first: AnyObject?, second: AnyObject?)]
    private var counters = DeviceStatistics()

    private static let header = Int(CLINUX_VNET_HEADER)
    /// More than that is not queued: it should still be in the processor's cache when the kernel
    /// copies it.
    private static let mostQueuedOctets = 262_144

    /// Opens a device on the interface `name` of `namespace`, or of the calling thread's.
    package init(
        _ name: String, in namespace: NetworkNamespace? = nil, _ configuration: Configuration
    ) throws(DeviceError) {
        let program = configuration.filter.program.map {
            clinux_filter(code: $0.code, jt: $0.yes, jf: $0.no, k: $0.k)
        }
        func open() throws(SystemError) -> Opened {
            let index = if_nametoindex(name)
            guard index != 0 else { throw SystemError("interface \(name)", code: errno) }
            var octets = [UInt8](repeating: 0, count: 6)
            try checked(clinux_hardware_address(name, &octets), "address of \(name)")
            let socket = try checked(
                clinux_packet_open(
                    Int32(index), program, Int32(program.count),
                    Int32(clamping: configuration.receiveBuffer), configuration.timestamps ? 1 : 0),
                "packet socket on \(name)")
            return Opened(
                socket: socket, interface: InterfaceID(Int32(index)),
                address: MACAddress(bytes: octets) ?? MACAddress(rawValue: 0))
        }
        let opened: Opened
        do {
            opened = try namespace.map { try NamespaceThread.run(in: $0, open) } ?? open()
        } catch {
            throw .system(error as? SystemError ?? SystemError("open \(name)", code: EIO))
        }
        socket = OwnedDescriptor(opened.socket)
        interface = opened.interface
        hardwareAddress = opened.address
        self.name = name
        batchSize = min(max(configuration.batchSize, 1), 1024)
        queueSize = min(max(configuration.queueSize ?? configuration.batchSize, 1), 1024)
        slotSize = (max(configuration.slotSize, 128) + 63) & ~63
        guard let received = clinux_ring_create(Int32(batchSize), slotSize) else {
            throw .system(SystemError("receive slots", code: ENOMEM))
        }
        guard let queued = clinux_ring_create(Int32(queueSize), slotSize) else {
            clinux_ring_destroy(received)
            throw .system(SystemError("transmit slots", code: ENOMEM))
        }
        self.received = received
        self.queued = queued
        valid = .allocate(capacity: batchSize)
        owners = Array(repeating: (nil, nil), count: queueSize)
    }

    private struct Opened {
        var socket: Int32
        var interface: InterfaceID
        var address: MACAddress
    }

    deinit {
        clinux_ring_destroy(received)
        clinux_ring_destroy(queued)
        valid.deallocate()
    }

    package var descriptor: Int32 { socket.rawValue }

    private static func deviceError(_ code: Int32, _ call: String) -> DeviceError {
        switch code {
        case ENETDOWN: .linkDown
        case ENXIO, ENODEV: .deviceGone
        default: .system(SystemError(call, code: code))
        }
    }

    /// Throws `linkDown` once when the link went down; then returns 0 until it is up again. `EventPoll`
    /// tells that there is such an error as `isClosed`, and goes on telling until it was thrown here.
    package func receive() throws(DeviceError) -> Int {
        validCount = 0
        let count = clinux_ring_receive(received, socket.rawValue)
        if count < 0 {
            if count == -EAGAIN || count == -EINTR { return 0 }
            throw Self.deviceError(-count, "recvmmsg on \(name)")
        }
        for slot in 0..<count {
            if clinux_ring_truncated(received, slot) != 0
                || clinux_ring_length(received, slot) < UInt32(Self.header)
            {
                counters.framesTruncated += 1
                continue
            }
            valid[validCount] = slot
            validCount += 1
        }
        counters.framesReceived += UInt64(validCount)
        return validCount
    }

    package func frame(at index: Int) -> ReceivedFrame {
        precondition(index >= 0 && index < validCount, "no such frame in this batch")
        let slot = valid[index]
        let base = UnsafeRawPointer(clinux_ring_slot(received, slot))
        let length = Int(clinux_ring_length(received, slot))
        let kind = clinux_ring_packet_type(received, slot)
        return ReceivedFrame(
            bytes: UnsafeRawBufferPointer(
                start: base?.advanced(by: Self.header), count: length - Self.header),
            kind: ReceivedFrame.Kind(rawValue: kind) ?? .otherHost,
            header: base?.loadUnaligned(as: VirtualHeader.self) ?? VirtualHeader(),
            wallClockArrival: clinux_ring_arrival(received, slot))
    }

    private var tail: Int { (queueHead + queuedCount) % queueSize }

    package func reserve() -> UnsafeMutableRawBufferPointer? {
        if queuedCount == queueSize || queuedOctets >= Self.mostQueuedOctets {
            // An error here comes again, to `flush`, which the driver calls anyway.
            _ = try? flush()
            if queuedCount == queueSize { return nil }
        }
        guard let base = clinux_ring_slot(queued, Int32(tail)) else { return nil }
        return UnsafeMutableRawBufferPointer(
            start: base + Self.header, count: slotSize - Self.header)
    }

    package func commit(length: Int, offload: Offload = .none) {
        precondition(
            queuedCount < queueSize && length <= slotSize - Self.header,
            "commit without reserve, or longer than the slot")
        let slot = Int32(tail)
        if let base = clinux_ring_slot(queued, slot) {
            UnsafeMutableRawPointer(base).storeBytes(
                of: offload.header, as: VirtualHeader.self)
        }
        clinux_ring_set_length(queued, slot, UInt32(length + Self.header))
        queuedCount += 1
        queuedOctets += length
    }

    /// Queues a frame that is the first `length` octets of what `reserve()` gave and these payloads
    /// behind them, which are fetched when the frame is sent. `owner` keeps the octets until then.
    package func commit(
        length: Int, offload: Offload, payload first: Payload, _ second: Payload?
    ) {
        let slot = tail
        commit(length: length, offload: offload)
        add(first, to: slot)
        if let second { add(second, to: slot) }
        owners[slot] = (first.owner, second?.owner)
    }

    /// Octets of a frame outside its slot.
    package struct Payload {
        package var bytes: UnsafeRawBufferPointer
        package var owner: AnyObject

        package init(bytes: UnsafeRawBufferPointer, owner: AnyObject) {
            self.bytes = bytes
            self.owner = owner
        }
    }

    private func add(_ payload: Payload, to slot: Int) {
        clinux_ring_add_piece(
            queued, Int32(slot), payload.bytes.baseAddress, payload.bytes.count)
        queuedOctets += payload.bytes.count
    }

    package func flush() throws(DeviceError) -> FlushResult {
        while queuedCount > 0 {
            let piece = min(queuedCount, queueSize - queueHead)
            let sent = clinux_ring_send(
                queued, socket.rawValue, Int32(queueHead), Int32(piece))
            if sent > 0 {
                counters.framesSent += UInt64(sent)
                advance(Int(sent))
                continue
            }
            switch -sent {
            case EINTR: continue
            case EAGAIN: return .blocked(queued: queuedCount)
            case EMSGSIZE, EINVAL, ENOBUFS:
                // This frame only: too long for the link, malformed, or dropped by a queue.
                counters.framesRejected += 1
                advance(1)
            case let code:
                counters.framesLost += UInt64(queuedCount)
                advance(queuedCount)
                throw Self.deviceError(code, "sendmmsg on \(name)")
            }
        }
        return .done
    }

    private func advance(_ count: Int) {
        for slot in queueHead..<(queueHead + count) { owners[slot % queueSize] = (nil, nil) }
        queueHead = (queueHead + count) % queueSize
        queuedCount -= count
        guard queuedCount == 0 else { return }
        // The first slots again: they are in the cache.
        queueHead = 0
        queuedOctets = 0
    }

    package var statistics: DeviceStatistics {
        var drops: UInt32 = 0
        // Reading sets the kernel's counter back to zero.
        if clinux_packet_drops(socket.rawValue, &drops) == 0 {
            counters.kernelDrops += UInt64(drops)
        }
        return counters
    }
}
