package import LinuxSystem

/// Where frames enter and leave. All calls come from one thread.
///
/// A driver's turn: wait until `descriptor` is readable, `receive()`, look at `frame(at:)` for each
/// index, queue answers with `send` (or `reserve` and `commit`), `flush()` once. Nothing is allocated
/// per frame.
package protocol PacketDevice: AnyObject {
    /// For epoll: readable when frames are waiting, writable when `flush` may go on.
    var descriptor: Int32 { get }

    /// Fetches the frames that are waiting, up to a batch; returns how many. 0 when
    /// there are none. Never blocks.
    func receive() throws(DeviceError) -> Int

    /// A frame of the last `receive()`; its octets are valid until the next one.
    func frame(at index: Int) -> ReceivedFrame

    /// The most frames that one `receive()` brings.
    var batchSize: Int { get }

    /// Room for one frame to be written in place; `nil` when the queue is full and the kernel takes
    /// no more. Follow with `commit`, or not: then the frame is forgotten.
    func reserve() -> UnsafeMutableRawBufferPointer?

    /// Queues the first `length` octets of what `reserve()` gave.
    func commit(length: Int, offload: Offload)

    /// Gives the queued frames to the kernel.
    func flush() throws(DeviceError) -> FlushResult

    /// Counters since the device was opened.
    var statistics: DeviceStatistics { get }
}

extension PacketDevice {
    /// Queues a copy of a frame; `false` when the queue is full or the frame larger than a slot.
    @discardableResult
    package func send(_ frame: UnsafeRawBufferPointer, offload: Offload = .none) -> Bool {
        guard let slot = reserve(), frame.count <= slot.count else { return false }
        slot.copyMemory(from: frame)
        commit(length: frame.count, offload: offload)
        return true
    }
}

/// A frame in a receive slot.
package struct ReceivedFrame {
    /// The frame from its destination address on, without checksum.
    package var bytes: UnsafeRawBufferPointer
    /// To whom it was addressed.
    package var kind: Kind
    /// What the sender left to the hardware.
    package var header: VirtualHeader
    /// When the kernel took it in, in nanoseconds since 1970; 0 for a device without timestamps.
    package var wallClockArrival: Int64

    package init(
        bytes: UnsafeRawBufferPointer, kind: Kind, header: VirtualHeader,
        wallClockArrival: Int64 = 0
    ) {
        self.bytes = bytes
        self.kind = kind
        self.header = header
        self.wallClockArrival = wallClockArrival
    }

    /// The transport checksum is not computed; it stands for a valid one. So come all frames of a
    /// kernel at the other end of a veth.
    package var checksumNotReady: Bool { header.needsChecksum }

    /// `sll_pkttype`.
    package enum Kind: Int32, Hashable, Sendable {
        case host = 0
        case broadcast = 1
        case multicast = 2
        case otherHost = 3
        case outgoing = 4
    }
}

/// What is left to the hardware, or to the kernel in its place: `struct virtio_net_hdr`.
package struct VirtualHeader: Hashable, Sendable, BitwiseCopyable {
    /// 1: the checksum is to be computed; 2: it was checked.
    package var flags: UInt8 = 0
    /// 0: one packet; 1: TCP over IPv4, to be cut; 4: over IPv6.
    package var segmentationType: UInt8 = 0
    /// Octets of all headers.
    package var headerLength: UInt16 = 0
    /// Payload octets of each packet after cutting.
    package var segmentSize: UInt16 = 0
    /// Where summing starts.
    package var checksumStart: UInt16 = 0
    /// Where, from there, the sum goes.
    package var checksumOffset: UInt16 = 0

    package init() {}

    package var needsChecksum: Bool { flags & 1 != 0 }
    /// A frame longer than the link's MTU that stands for several.
    package var isSuperPacket: Bool { segmentationType != 0 }
}

/// What the kernel is to do to a frame on its way out.
package enum Offload: Hashable, Sendable {
    /// Nothing: it is complete.
    case none
    /// What the frame came in with: a relay must pass it on, or unfinished checksums reach the peer.
    case asReceived(VirtualHeader)
    /// To finish the checksum of a TCP segment, in whose field the sum of the pseudo-header stands,
    /// and, where `segmentSize` is not 0, to cut it in pieces of so much payload. Offsets count from
    /// the start of the frame.
    case tcp(isV6: Bool, transportStart: Int, headerLength: Int, segmentSize: Int)

    var header: VirtualHeader {
        switch self {
        case .none: return VirtualHeader()
        case .asReceived(let header): return header
        case .tcp(let isV6, let transportStart, let headerLength, let segmentSize):
            var header = VirtualHeader()
            header.flags = 1
            header.checksumStart = UInt16(transportStart)
            header.checksumOffset = 16
            header.headerLength = UInt16(headerLength)
            if segmentSize > 0 {
                header.segmentationType = isV6 ? 4 : 1
                header.segmentSize = UInt16(segmentSize)
            }
            return header
        }
    }
}

/// How far a flush came.
package enum FlushResult: Hashable, Sendable {
    /// Nothing is queued any more.
    case done
    /// The kernel takes no more now; the rest stays queued. Wait until writable.
    case blocked(queued: Int)
}

/// What may befall a device.
package enum DeviceError: Error, Hashable, Sendable {
    /// The link is down. What was queued is lost; the device works again when the link is up.
    case linkDown
    /// The link no longer exists; the device is of no use any more.
    case deviceGone
    case system(SystemError)
}

extension DeviceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .linkDown: "link is down"
        case .deviceGone: "link is gone"
        case .system(let error): error.description
        }
    }
}

/// Counters of a device.
package struct DeviceStatistics: Hashable, Sendable {
    package var framesReceived: UInt64 = 0
    package var framesSent: UInt64 = 0
    /// Larger than a slot: dropped.
    package var framesTruncated: UInt64 = 0
    /// Refused by the kernel one by one (too long, malformed) or dropped by its queue.
    package var framesRejected: UInt64 = 0
    /// Queued when the link was down.
    package var framesLost: UInt64 = 0
    /// Dropped by the kernel because nobody fetched them in time.
    package var kernelDrops: UInt64 = 0

    package init() {}
}
