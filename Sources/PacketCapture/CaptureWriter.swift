internal import CPcap
internal import Glibc
internal import LinuxSystem
package import WireFormat

/// Writes a pcap file with times in nanoseconds. The same packets give the same bytes.
///
/// The file bears its name only once `close` has succeeded; until then it is `NAME.partial`, and a
/// writer that goes away before takes that with it.
package final class CaptureWriter {
    package let path: String
    package let linkType: LinkType
    /// Packets written so far.
    package private(set) var count = 0

    private let handle: OpaquePointer
    private let dumper: OpaquePointer
    private var isOpen = true
    private let snapshotLength: Int

    /// More than any frame has.
    package static let wholePackets = 262_144

    /// - Parameter snapshotLength: the most that is kept of a frame.
    package init(
        _ path: String, linkType: LinkType = .ethernet, snapshotLength: Int = wholePackets
    ) throws(CaptureError) {
        self.path = path
        self.linkType = linkType
        self.snapshotLength = min(max(snapshotLength, 1), Self.wholePackets)
        let file = try PartialFile.open(path)
        // libpcap knows raw IP in memory by another number than in files.
        let type: LinkType = linkType == .rawIP ? .rawIPInMemory : linkType
        let handle = pcap_open_dead_with_tstamp_precision(
            type.rawValue, Int32(self.snapshotLength), UInt32(PCAP_TSTAMP_PRECISION_NANO))
        guard let handle, let dumper = pcap_dump_fopen(handle, file) else {
            let reason = handle.map { PcapMessage.text(of: $0) } ?? "out of memory"
            if let handle { pcap_close(handle) }
            fclose(file)
            PartialFile.discard(path)
            throw CaptureError(.unwritable, path, reason)
        }
        self.handle = handle
        self.dumper = dumper
    }

    deinit { discard() }

    /// Appends a packet. A failure shows in `close`.
    package func write(_ packet: CapturedPacket) {
        packet.bytes.withUnsafeBytes {
            write(time: packet.time, wireLength: packet.wireLength, bytes: $0)
        }
    }

    /// Appends a frame that was captured at `time`.
    package func write(time: Int64, wireLength: Int, bytes: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        var header = pcap_pkthdr(
            ts: PcapTime.timeval(time),
            caplen: UInt32(min(bytes.count, snapshotLength)),
            len: UInt32(clamping: max(wireLength, bytes.count)))
        // No octet is read of an empty frame, which may have no address.
        let base = bytes.baseAddress ?? UnsafeRawPointer(dumper)
        pcap_dump(
            UnsafeMutablePointer(dumper), &header, base.assumingMemoryBound(to: UInt8.self))
        count += 1
    }

    /// Appends the packets that a live capture has at hand. Returns what `pcap_dispatch` does.
    func dispatch(from capture: OpaquePointer) -> Int32 {
        let written = pcap_dispatch(capture, -1, pcap_dump, UnsafeMutablePointer(dumper))
        count += max(Int(written), 0)
        return written
    }

    /// Finishes the file and gives it its name.
    package func close() throws(CaptureError) {
        guard isOpen else { return }
        let flushed = pcap_dump_flush(dumper)
        let code = errno
        let failed = flushed != 0 || ferror(pcap_dump_file(dumper)) != 0
        release()
        try PartialFile.commit(path, failure: failed ? code : nil)
    }

    /// Leaves nothing behind.
    package func discard() {
        guard isOpen else { return }
        release()
        PartialFile.discard(path)
    }

    private func release() {
        isOpen = false
        pcap_dump_close(dumper)
        pcap_close(handle)
    }
}
