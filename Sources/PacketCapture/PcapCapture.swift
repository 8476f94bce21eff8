internal import CPcap
internal import Glibc
internal import LinuxSystem
internal import WireFormat

/// An activated capture of libpcap, in non-blocking mode.
///
/// Not in immediate mode: that would wake a thread for each packet and disturb what is measured.
/// The kernel stamps the packets, so that being written a little later costs nothing.
final class PcapCapture: @unchecked Sendable {
    let interface: String
    private let handle: OpaquePointer

    /// How long the kernel may gather packets in a block.
    private static let blockMilliseconds: Int32 = 10

    /// Opens `interface` in the namespace of the calling thread. From then on the kernel captures.
    init(_ interface: String, snapshotLength: Int, ringSize: Int) throws(CaptureError) {
        self.interface = interface
        var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard let handle = pcap_create(interface, &message) else {
            throw CaptureError(.failed, interface, PcapMessage.text(message))
        }
        pcap_set_snaplen(handle, Int32(clamping: snapshotLength))
        pcap_set_buffer_size(handle, Int32(clamping: ringSize))
        pcap_set_timeout(handle, Self.blockMilliseconds)
        pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO)
        let code = pcap_activate(handle)
        guard code >= 0, pcap_setnonblock(handle, 1, &message) == 0 else {
            let error = Self.error(code, interface, handle)
            pcap_close(handle)
            throw error
        }
        self.handle = handle
    }

    deinit { pcap_close(handle) }

    private static func error(
        _ code: Int32, _ interface: String, _ handle: OpaquePointer
    ) -> CaptureError {
        let kind: CaptureError.Kind =
            switch code {
            case PCAP_ERROR_NO_SUCH_DEVICE: .noInterface
            case PCAP_ERROR_PERM_DENIED, PCAP_ERROR_PROMISC_PERM_DENIED: .notPermitted
            case PCAP_ERROR_IFACE_NOT_UP: .interfaceDown
            default: .failed
            }
        let status = pcap_statustostr(code).map { String(cString: $0) } ?? "error \(code)"
        let detail = PcapMessage.text(of: handle)
        return CaptureError(kind, interface, detail.isEmpty ? status : detail)
    }

    var linkType: LinkType { LinkType(rawValue: pcap_datalink(handle)) }
    /// Readable when the kernel has handed over packets.
    var descriptor: Int32 { pcap_get_selectable_fd(handle) }

    /// Writes the packets that the kernel has handed over; how many they were.
    func dispatch(to writer: CaptureWriter) throws(CaptureError) -> Int {
        let count = writer.dispatch(from: handle)
        guard count >= 0 else {
            if hasVanished { throw vanished }
            throw CaptureError(.failed, interface, PcapMessage.text(of: handle))
        }
        return Int(count)
    }

    /// Packets that the kernel put into the ring, and those for which there was no room.
    func statistics() throws(CaptureError) -> (ringed: Int, dropped: Int) {
        var statistics = pcap_stat()
        guard pcap_stats(handle, &statistics) == 0 else {
            throw CaptureError(.failed, interface, PcapMessage.text(of: handle))
        }
        // What is received includes what is dropped.
        let dropped = Int(statistics.ps_drop)
        return (Int(statistics.ps_recv) - dropped, dropped)
    }

    /// Forgets the error that the kernel left on the socket when the link went down.
    func takeSocketError() {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
    }

    var vanished: CaptureError {
        CaptureError(.interfaceVanished, interface, "the interface went away")
    }

    /// Whether the interface was deleted: the kernel then binds the socket to interface -1.
    var hasVanished: Bool {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return false }
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            var length = socklen_t(buffer.count)
            let result = getsockname(
                descriptor, base.assumingMemoryBound(to: sockaddr.self), &length)
            // sockaddr_ll: the index stands behind family and protocol.
            return result == 0 && base.load(fromByteOffset: 4, as: Int32.self) == -1
        }
    }
}
