internal import CPcap
internal import Glibc
internal import LinuxSystem
package import WireFormat

/// Reads a pcap or pcapng file of either byte order, times in nanoseconds.
///
/// pcap files are libpcap's business. pcapng files are not, as libpcap does not tell which of a
/// file's interfaces captured a packet.
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
    /// What frames start with; in a pcapng file those of the first interface of which they
    /// are understood.
    package let linkType: LinkType
    /// The most that the capture kept of a packet.
    package let snapshotLength: Int
    package private(set) var end = End.notReached
    /// Packets read so far.
    package private(set) var count = 0

    private let source: Source

    private enum Source {
        case pcap(OpaquePointer)
        case pcapng(PcapngReader)
    }

    /// Opens a file; `-` is standard input.
    package init(_ path: String) throws(CaptureError) {
        self.path = path
        guard let file = path == "-" ? fdopen(dup(0), "rb") : fopen(path, "rbe") else {
            throw CaptureError(.unreadable, path, SystemError.text(of: errno))
        }
        let first = getc(file)
        if first != EOF { ungetc(first, file) }
        if first == Int32(PcapngFormat.Block.sectionHeader & 0xff) {
            let reader: PcapngReader
            do throws(PcapngReader.Damage) {
                reader = try PcapngReader(file)
            } catch {
                throw CaptureError(.notACapture, path, error.reason)
            }
            source = .pcapng(reader)
            let interfaces = reader.interfaces
            let first = interfaces.first { $0.linkType.isSupported } ?? interfaces[0]
            linkType = first.linkType
            snapshotLength = first.snapshotLength
        } else {
            let handle = try Self.openPcap(file, path)
            source = .pcap(handle)
            linkType = LinkType(rawValue: pcap_datalink(handle))
            snapshotLength = Int(pcap_snapshot(handle))
        }
        guard linkType.isSupported else { throw Self.unsupported(linkType, path) }
    }

    deinit {
        if case .pcap(let handle) = source { pcap_close(handle) }
    }

    private static func openPcap(
        _ file: UnsafeMutablePointer<FILE>, _ path: String
    ) throws(CaptureError) -> OpaquePointer {
        var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let handle = pcap_fopen_offline_with_tstamp_precision(
            file, UInt32(PCAP_TSTAMP_PRECISION_NANO), &message)
        guard let handle else {
            let isReadError = ferror(file) != 0
            fclose(file)
            throw CaptureError(
                isReadError ? .unreadable : .notACapture, path, PcapMessage.text(message))
        }
        return handle
    }

    private static func unsupported(_ linkType: LinkType, _ path: String) -> CaptureError {
        CaptureError(
            .unsupportedLinkType, path,
            "no IP packets can be found in frames of \(name(of: linkType))")
    }

    private static func name(of linkType: LinkType) -> String {
        let name = pcap_datalink_val_to_name(linkType.rawValue).map { String(cString: $0) }
        return name ?? linkType.description
    }

    /// The interfaces that a pcapng file has described so far; empty for a pcap file.
    package var interfaces: [CaptureInterface] {
        if case .pcapng(let reader) = source { reader.interfaces } else { [] }
    }

    /// The next packet, `nil` at the end; `end` then says what the end is like.
    package func next() throws(CaptureError) -> CapturedPacket? {
        guard end == .notReached else { return nil }
        let packet =
            switch source {
            case .pcap(let handle): nextPacket(from: handle)
            case .pcapng(let reader): nextPacket(from: reader)
            }
        guard let packet else { return nil }
        count += 1
        return packet
    }

    private func nextPacket(from handle: OpaquePointer) -> CapturedPacket? {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        switch pcap_next_ex(handle, &header, &data) {
        case 1:
            guard let header = header?.pointee, let data else { return nil }
            return CapturedPacket(
                time: PcapTime.nanoseconds(header.ts), wireLength: Int(header.len),
                bytes: Array(UnsafeBufferPointer(start: data, count: Int(header.caplen))),
                linkType: linkType)
        case PCAP_ERROR_BREAK: end = .complete
        default: end = .cut(reason: PcapMessage.text(of: handle))
        }
        return nil
    }

    private func nextPacket(from reader: PcapngReader) -> CapturedPacket? {
        do throws(PcapngReader.Damage) {
            if let packet = try reader.next() { return packet }
            end = .complete
        } catch {
            end = .cut(reason: error.reason)
        }
        return nil
    }

    /// All packets that are left.
    package func readAll() throws(CaptureError) -> [CapturedPacket] {
        var packets: [CapturedPacket] = []
        while let packet = try next() { packets.append(packet) }
        return packets
    }

    /// What to tell of a file that was not read whole: it was cut (`a.pcap: truncated dump file; ...
    /// (12 packets before that were read)`), or some frames are not understood.
    package var warning: String? {
        var reasons: [String] = []
        if case .pcapng(let reader) = source {
            for (type, count) in reader.passedOver.sorted(by: { $0.key.rawValue < $1.key.rawValue })
            {
                reasons.append(
                    "\(count) \(count == 1 ? "packet" : "packets") passed over, in frames of \(Self.name(of: type))"
                )
            }
        }
        if case .cut(let reason) = end {
            reasons.append("\(reason) (\(count) packets before that were read)")
        }
        return reasons.isEmpty ? nil : "\(path): " + reasons.joined(separator: "; ")
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
