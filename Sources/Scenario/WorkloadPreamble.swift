package import NetworkPrimitives
internal import WireFormat

/// The first octets from the client to the server: what the server is to do, so that one server
/// serves every workload.
///
/// ```
/// 0  "MPTW"  4 version  5 kind  6 direction  7 background in kB/s
/// 8  size    16 interval ns  24 duration ns  32 seed  40 epoch ns     (64 bits each)
/// ```
package struct WorkloadPreamble: Hashable, Sendable {
    package static let encodedLength = 48
    package static let version: UInt8 = 1
    private static let magic: UInt32 = 0x4d50_5457

    package var workload: Workload
    /// When the client started, on the client's clock. The cadence of both directions is locked to
    /// it: a server with another clock keeps the interval, and the phase on that clock is as good
    /// as any.
    package var epoch: Instant

    package init(workload: Workload, epoch: Instant) {
        self.workload = workload
        self.epoch = epoch
    }

    /// The octets.
    package var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: Self.encodedLength)
        result.withUnsafeMutableBytes { buffer in
            var writer = ByteWriter(buffer)
            writer.write(Self.magic)
            writer.write(Self.version)
            writer.write(Self.code(of: workload.kind))
            writer.write(workload.direction == .upload ? 0 : 1 as UInt8)
            writer.write(UInt8(clamping: workload.background / 1_000))
            writer.write(UInt64(clamping: workload.size))
            writer.write(UInt64(clamping: workload.interval.wholeNanoseconds))
            writer.write(UInt64(clamping: workload.duration.wholeNanoseconds))
            writer.write(workload.seed)
            writer.write(UInt64(bitPattern: epoch.nanoseconds))
        }
        return result
    }

    /// Reads a preamble; throws what is wrong with it.
    package init(parsing bytes: [UInt8]) throws(WorkloadFailure) {
        do {
            self = try bytes.withUnsafeBytes { try Self.parse($0) }
        } catch let failure as WorkloadFailure {
            throw failure
        } catch {
            throw .notAWorkload
        }
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws -> WorkloadPreamble {
        var reader = ByteReader(bytes)
        guard try reader.readUInt32() == magic else { throw WorkloadFailure.notAWorkload }
        let version = try reader.readUInt8()
        guard version == Self.version else { throw WorkloadFailure.otherVersion(version) }
        let kindCode = try reader.readUInt8()
        guard let kind = WorkloadKind.allCases.first(where: { code(of: $0) == kindCode }) else {
            throw WorkloadFailure.notAWorkload
        }
        let direction: Direction
        switch try reader.readUInt8() {
        case 0: direction = .upload
        case 1: direction = .download
        default: throw WorkloadFailure.notAWorkload
        }
        let background = Int(try reader.readUInt8()) * 1_000
        let workload = Workload(
            kind, direction, size: Int(clamping: try reader.readUInt64()),
            interval: .nanoseconds(Int64(clamping: try reader.readUInt64())),
            duration: .nanoseconds(Int64(clamping: try reader.readUInt64())),
            seed: try reader.readUInt64(), background: background)
        let epoch = Instant(nanoseconds: Int64(bitPattern: try reader.readUInt64()))
        if let problem = workload.problem { throw WorkloadFailure.impossible(problem) }
        return WorkloadPreamble(workload: workload, epoch: epoch)
    }

    private static func code(of kind: WorkloadKind) -> UInt8 {
        switch kind {
        case .bulk: 1
        case .requestResponse: 2
        case .stream: 3
        case .echo: 4
        case .voice: 5
        case .interactive: 6
        }
    }
}

/// The first octets from the server to the client where it writes on a cadence of its own
/// (`Workload.hasStreamHeader`): when its first record was
/// due on the server's clock, so that the client knows how late each record is.
package enum StreamHeader {
    package static let encodedLength = 16
    private static let magic: UInt64 = 0x4d50_5453_0000_0001

    package static func bytes(firstRecord: Instant) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: encodedLength)
        result.withUnsafeMutableBytes { buffer in
            var writer = ByteWriter(buffer)
            writer.write(magic)
            writer.write(UInt64(bitPattern: firstRecord.nanoseconds))
        }
        return result
    }

    package static func firstRecord(parsing bytes: [UInt8]) throws(WorkloadFailure) -> Instant {
        do {
            return try bytes.withUnsafeBytes { buffer in
                var reader = ByteReader(buffer)
                guard try reader.readUInt64() == magic else { throw WorkloadFailure.notAWorkload }
                return Instant(nanoseconds: Int64(bitPattern: try reader.readUInt64()))
            }
        } catch {
            throw .notAWorkload
        }
    }
}

/// Why a workload ended without having done its work.
package enum WorkloadFailure: Error, Hashable, Sendable {
    /// The peer's first octets are no preamble.
    case notAWorkload
    /// The peer speaks another version of the preamble.
    case otherVersion(UInt8)
    /// The preamble asks for something that cannot be.
    case impossible(String)
    /// The peer finished before it had sent what was agreed.
    case short(received: Int, expected: Int)
    /// The peer sent more than was agreed.
    case excess(received: Int, expected: Int)
    /// The connection broke.
    case connection(String)
    /// What an endpoint in another process said.
    case reported(String)
}

extension WorkloadFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAWorkload: "the peer is no mptcpctl endpoint"
        case .otherVersion(let version): "the peer speaks version \(version) of the preamble"
        case .impossible(let why): "the peer asks for an impossible workload: \(why)"
        case .short(let received, let expected):
            "the peer finished after \(received) of \(expected) octets"
        case .excess(let received, let expected):
            "the peer sent \(received) octets where \(expected) were agreed"
        case .connection(let why): "the connection broke: \(why)"
        case .reported(let text): text
        }
    }
}
