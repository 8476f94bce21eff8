internal import Glibc
internal import WireFormat

/// Writes a pcapng file of one section, times in nanoseconds, with what is to be said of packets as
/// comments beside them. The same packets give the same bytes.
///
/// The file bears its name only once `close` has succeeded; a writer that goes away before leaves
/// nothing.
package final class PcapngWriter {
    package let path: String
    /// Packets written so far.
    package private(set) var count = 0

    private let file: UnsafeMutablePointer<FILE>
    private let interfaceCount: Int
    private var isOpen = true
    /// The error number of the first failure.
    private var failure: Int32?
    /// The block that is being made.
    private var block: [UInt8] = []

    /// Octets that one option can hold.
    private static let longestOption = 0xffff

    /// Begins a file with the descriptions of all interfaces.
    package init(
        _ path: String, section: CaptureSection, interfaces: [CaptureInterface]
    ) throws(CaptureError) {
        self.path = path
        interfaceCount = interfaces.count
        file = try PartialFile.open(path)
        writeHeader(section)
        for interface in interfaces { writeDescription(interface) }
    }

    deinit { discard() }

    /// Appends a packet that was captured on the interface of this number. A failure shows in
    /// `close`.
    package func write(_ packet: CapturedPacket, interface: Int, comments: [String] = []) {
        precondition((0..<interfaceCount).contains(interface), "an interface without description")
        guard isOpen else { return }
        let time = UInt64(clamping: packet.time)
        begin(PcapngFormat.Block.enhancedPacket)
        append(UInt32(interface))
        append(UInt32(time >> 32))
        append(UInt32(truncatingIfNeeded: time))
        append(UInt32(packet.bytes.count))
        append(UInt32(clamping: max(packet.wireLength, packet.bytes.count)))
        block += packet.bytes
        pad()
        finish(options: comments.map { (PcapngFormat.Option.comment, Array($0.utf8)) })
        count += 1
    }

    /// Finishes the file and gives it its name.
    package func close() throws(CaptureError) {
        guard isOpen else { return }
        isOpen = false
        if fclose(file) != 0 { noteFailure() }
        try PartialFile.commit(path, failure: failure)
    }

    /// Leaves nothing behind.
    package func discard() {
        guard isOpen else { return }
        isOpen = false
        fclose(file)
        PartialFile.discard(path)
    }

    // MARK: Blocks

    private func writeHeader(_ section: CaptureSection) {
        begin(PcapngFormat.Block.sectionHeader)
        append(PcapngFormat.byteOrderMagic)
        // Version 1.0; the length of the section is not known.
        append(UInt16(1))
        append(UInt16(0))
        append(UInt64.max)
        finish(options: [
            (PcapngFormat.Option.comment, Array(section.comment.utf8)),
            (PcapngFormat.Option.sectionSystem, Array(section.system.utf8)),
            (PcapngFormat.Option.sectionApplication, Array(section.application.utf8)),
        ])
    }

    private func writeDescription(_ interface: CaptureInterface) {
        // Raw IP has one number in files and another one in memory.
        let linkType = interface.linkType == .rawIPInMemory ? .rawIP : interface.linkType
        begin(PcapngFormat.Block.interfaceDescription)
        append(UInt16(truncatingIfNeeded: linkType.rawValue))
        append(UInt16(0))
        append(UInt32(clamping: interface.snapshotLength))
        var options: [(code: UInt16, value: [UInt8])] = []
        if let name = interface.name {
            options.append((PcapngFormat.Option.interfaceName, Array(name.utf8)))
        }
        if let summary = interface.summary {
            options.append((PcapngFormat.Option.interfaceDescription, Array(summary.utf8)))
        }
        // 10^-9 s
        options.append((PcapngFormat.Option.interfaceResolution, [9]))
        finish(options: options)
    }

    private func begin(_ type: UInt32) {
        block.removeAll(keepingCapacity: true)
        append(type)
        append(UInt32(0))
    }

    private func finish(options: [(code: UInt16, value: [UInt8])]) {
        for (code, value) in options {
            let value = value.prefix(Self.longestOption)
            append(code)
            append(UInt16(value.count))
            block += value
            pad()
        }
        if !options.isEmpty {
            append(PcapngFormat.Option.end)
            append(UInt16(0))
        }
        let length = UInt32(block.count + 4)
        append(length)
        withUnsafeBytes(of: length.littleEndian) { block.replaceSubrange(4..<8, with: $0) }
        if fwrite(block, 1, block.count, file) < block.count { noteFailure() }
    }

    private func noteFailure() { failure = failure ?? errno }

    private func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { block.append(contentsOf: $0) }
    }

    private func pad() {
        let padding = PcapngFormat.padded(block.count) - block.count
        block.append(contentsOf: repeatElement(0, count: padding))
    }
}
