import Glibc
import TraceAnalysis

/// Reads the nanosecond pcap files of `Captures`: Ethernet, little endian.
enum CaptureFile {
    static func packets(_ name: String, filePath: String = #filePath) -> [TracePacket] {
        let folder = filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let path = folder.joined(separator: "/") + "/Captures/\(name).pcap"
        guard let file = fopen(path, "rb") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes += buffer[..<count]
        }
        func number(at offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        guard bytes.count > 24, number(at: 0) == 0xa1b2_3c4d, number(at: 20) == 1 else { return [] }
        var result: [TracePacket] = []
        var offset = 24
        while offset + 16 <= bytes.count {
            let time = Int64(number(at: offset)) * 1_000_000_000 + Int64(number(at: offset + 4))
            let captured = number(at: offset + 8)
            let length = number(at: offset + 12)
            let frame = bytes[(offset + 16)..<(offset + 16 + captured)]
            result.append(
                TracePacket(
                    time: time, point: 0, bytes: Array(frame.dropFirst(14)),
                    wireLength: length - 14))
            offset += 16 + captured
        }
        return result
    }
}
