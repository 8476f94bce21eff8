import Glibc
import LinuxSystem
import PacketCapture
import WireFormat

/// A directory that is gone, with all in it, when this is released.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/mptcpctl-capture-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// What is in it, sorted.
    var names: [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    @discardableResult
    func write(_ bytes: [UInt8], to name: String) throws -> String {
        let path = file(name)
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        try OwnedDescriptor(checkedErrno(open(path, flags, 0o600), "open \(path)")).write(bytes)
        return path
    }

    func read(_ name: String) throws -> [UInt8] {
        let path = file(name)
        let descriptor = OwnedDescriptor(
            try checkedErrno(open(path, O_RDONLY | O_CLOEXEC), "open \(path)"))
        var bytes: [UInt8] = []
        while true {
            let part = try descriptor.read()
            if part.isEmpty { return bytes }
            bytes += part
        }
    }
}

/// Capture files, octet by octet: what libpcap is to read.
struct CaptureBytes {
    var isBigEndian = false
    var bytes: [UInt8] = []

    mutating func add<T: FixedWidthInteger>(_ value: T) {
        let ordered = isBigEndian ? value.bigEndian : value.littleEndian
        withUnsafeBytes(of: ordered) { bytes += $0 }
    }

    /// A pcap file; `magic` tells the precision.
    static func pcap(
        _ packets: [CapturedPacket], linkType: UInt32 = 1, isBigEndian: Bool = false,
        nanoseconds: Bool = true
    ) -> [UInt8] {
        var file = CaptureBytes(isBigEndian: isBigEndian)
        file.add(nanoseconds ? 0xa1b2_3c4d as UInt32 : 0xa1b2_c3d4)
        file.add(2 as UInt16)
        file.add(4 as UInt16)
        for value in [0, 0, 65_535, linkType] { file.add(value as UInt32) }
        for packet in packets {
            file.add(UInt32(packet.time / 1_000_000_000))
            let rest = packet.time % 1_000_000_000
            file.add(UInt32(nanoseconds ? rest : rest / 1000))
            file.add(UInt32(packet.bytes.count))
            file.add(UInt32(packet.wireLength))
            file.bytes += packet.bytes
        }
        return file.bytes
    }

    /// A pcapng file with one interface for each link type, times in nanoseconds.
    static func pcapng(
        _ packets: [CapturedPacket], linkTypes: [UInt16] = [1], isBigEndian: Bool = false
    ) -> [UInt8] {
        var file = CaptureBytes(isBigEndian: isBigEndian)
        file.block(0x0a0d_0d0a) {
            $0.add(0x1a2b_3c4d as UInt32)
            $0.add(1 as UInt16)
            $0.add(0 as UInt16)
            $0.add(UInt64.max)
        }
        for linkType in linkTypes {
            file.block(1) {
                $0.add(linkType)
                $0.add(0 as UInt16)
                $0.add(0 as UInt32)
                // if_tsresol: 10^-9 s
                $0.add(9 as UInt16)
                $0.add(1 as UInt16)
                $0.bytes += [9, 0, 0, 0]
                $0.add(0 as UInt32)
            }
        }
        for (index, packet) in packets.enumerated() {
            file.block(6) {
                $0.add(UInt32(index % linkTypes.count))
                $0.add(UInt32(UInt64(packet.time) >> 32))
                $0.add(UInt32(truncatingIfNeeded: packet.time))
                $0.add(UInt32(packet.bytes.count))
                $0.add(UInt32(packet.wireLength))
                $0.bytes += packet.bytes
                while $0.bytes.count % 4 != 0 { $0.bytes.append(0) }
            }
        }
        return file.bytes
    }

    /// A pcapng file of one packet, whose interface counts time in its own way.
    static func pcapng(
        ticks: UInt64, resolution: UInt8?, offset: Int64?, isBigEndian: Bool
    ) -> [UInt8] {
        var file = CaptureBytes(isBigEndian: isBigEndian)
        file.bytes = pcapng([], linkTypes: [], isBigEndian: isBigEndian)
        file.block(1) {
            $0.add(101 as UInt16)
            $0.add(0 as UInt16)
            $0.add(0 as UInt32)
            if let resolution {
                $0.add(9 as UInt16)
                $0.add(1 as UInt16)
                $0.bytes += [resolution, 0, 0, 0]
            }
            if let offset {
                $0.add(14 as UInt16)
                $0.add(8 as UInt16)
                $0.add(offset)
            }
        }
        file.block(6) {
            $0.add(0 as UInt32)
            $0.add(UInt32(ticks >> 32))
            $0.add(UInt32(truncatingIfNeeded: ticks))
            $0.add(0 as UInt32)
            $0.add(40 as UInt32)
        }
        return file.bytes
    }

    private mutating func block(_ type: UInt32, _ fill: (inout CaptureBytes) -> Void) {
        var body = CaptureBytes(isBigEndian: isBigEndian)
        fill(&body)
        add(type)
        add(UInt32(body.bytes.count + 12))
        bytes += body.bytes
        add(UInt32(body.bytes.count + 12))
    }
}
