internal import CPcap
internal import Glibc
internal import LinuxSystem
package import WireFormat

/// Reads a pcap or pcapng file of either byte order, times in nanoseconds.
package final class CaptureReader {
    /// How the file ended.
    package enum End: Hashable, Sendable {
        /// More may follow.
        case notReached
        /// Behind its last packet.
        case complete
        /// Inside a packet, or in bytes that are none: the packets before are good.
        case cut(reason: String)
    }

    /// As the caller named it.
    package let path: String
    package let linkType: LinkType
    /// The most that the capture kept of a packet.
    package let snapshotLength: Int
    package private(set) var end = End.notReached
    /// Packets read so far.
    package private(set) var count = 0

    private let handle: OpaquePointer

    /// Opens a file; `-` is standard input.
    package init(_ path: String) throws(CaptureError) {
        self.path = path
        handle = try Self.open(path)
        linkType = LinkType(rawValue: pcap_datalink(handle))
        snapshotLength = Int(pcap_snapshot(handle))
    }

    deinit { pcap_close(handle) }

    private static func open(_ path: String) throws(CaptureError) -> OpaquePointer {
        guard let file = path == "-" ? fdopen(dup(0), "rb") : fopen(path, "rbe") else {
            throw CaptureError(.unreadable, path, SystemError.text(of: errno))
        }
        var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let handle = pcap_fopen_offline_with_tstamp_precision(
            file, UInt32(PCAP_TSTAMP_PRECISION_NANO), &message)
        guard let handle else {
            let isReadError = ferror(file) != 0
            fclose(file)
            throw CaptureError(
                isReadError ? .unreadable : .notACapture, path, PcapMessage.text(message))
        }
        let linkType = LinkType(rawValue: pcap_datalink(handle))
        guard linkType.isSupported else {
            let name = pcap_datalink_val_to_name(linkType.rawValue).map { String(cString: $0) }
            pcap_close(handle)
            throw CaptureError(
                .unsupportedLinkType, path,
                "no IP packets can be found in frames of \(name ?? linkType.description)")
        }
        return handle
    }

    /// The next packet, `nil` at the end; `end` then says what the end is like.
    package func next() throws(CaptureError) -> CapturedPacket? {
        guard end == .notReached else { return nil }
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        switch pcap_next_ex(handle, &header, &data) {
        case 1:
            guard let header = header?.pointee, let data else { return nil }
            count += 1
            return CapturedPacket(
                time: PcapTime.nanoseconds(header.ts), wireLength: Int(header.len),
                bytes: Array(UnsafeBufferPointer(start: data, count: Int(header.caplen))),
                linkType: linkType)
        case PCAP_ERROR_BREAK:
            end = .complete
            return nil
        default:
            let reason = PcapMessage.text(of: handle)
            // libpcap reads one kind of interface per file and stops at the second.
            if reason.contains("different from") {
                throw CaptureError(.mixedInterfaces, path, reason)
            }
            end = .cut(reason: reason)
            return nil
        }
    }

    /// All packets that are left.
    package func readAll() throws(CaptureError) -> [CapturedPacket] {
        var packets: [CapturedPacket] = []
        while let packet = try next() { packets.append(packet) }
        return packets
    }

    /// What to tell when the file was cut: `a.pcap: truncated dump file; ... (12 packets before)`.
    package var warning: String? {
        guard case .cut(let reason) = end else { return nil }
        return "\(path): \(reason) (\(count) packets before that were read)"
    }
}

/// Times of libpcap with nanosecond precision: `tv_usec` holds nanoseconds.
enum PcapTime {
    static func nanoseconds(_ time: timeval) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_usec)
    }

    static func timeval(_ nanoseconds: Int64) -> Glibc.timeval {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        let isBefore = rest < 0
        return Glibc.timeval(
            tv_sec: Int(seconds) - (isBefore ? 1 : 0),
            tv_usec: Int(rest) + (isBefore ? 1_000_000_000 : 0))
    }
}

/// The words of libpcap.
enum PcapMessage {
    static func text(of handle: OpaquePointer) -> String {
        pcap_geterr(handle).map { String(cString: $0) } ?? "unknown error of libpcap"
    }

    static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
