internal import LinuxSystem
internal import NetworkPrimitives
internal import NetworkSimulation
internal import PacketCapture
internal import TraceAnalysis
internal import WireFormat

/// Captures of a run, from files to the analysis and from a simulation to files.
extension RunRecord {
    /// Reads what a capture point saw.
    mutating func read(_ file: String, point: Int) throws(CaptureError) {
        let reader = try CaptureReader(file)
        while let packet = try reader.next() {
            guard let bytes = packet.ipPacket else { continue }
            let header = packet.bytes.count - bytes.count
            packets.append(
                TracePacket(
                    time: packet.time, point: point, bytes: bytes,
                    wireLength: packet.wireLength - header))
        }
        if let warning = reader.warning {
            throw CaptureError(.failed, file, warning)
        }
    }

    /// Writes what the points of a simulation saw, as a real capture would have it; returns the files.
    func writeCaptures(
        points: [String], servers: [IPAddress], snapLength: Int,
        to place: (String) throws(ExperimentError) -> String, directory: String
    ) throws(ExperimentError) -> [String] {
        var files: [String] = []
        for (point, name) in points.enumerated() {
            let relative = "\(directory)/\(name).pcap"
            let path = try place(relative)
            do {
                let writer = try CaptureWriter(
                    path, linkType: .ethernet,
                    snapshotLength: snapLength == 0 ? CaptureWriter.wholePackets : snapLength)
                var frame: [UInt8] = []
                for packet in packets where packet.point == point {
                    Self.frame(packet, servers: servers, into: &frame)
                    frame.withUnsafeBytes {
                        writer.write(
                            time: packet.time,
                            wireLength: packet.wireLength + Simulation.frameOverhead, bytes: $0)
                    }
                }
                try writer.close()
            } catch {
                throw .environment("\(error)")
            }
            files.append(relative)
        }
        return files
    }

    /// Ethernet with locally administered addresses: 02:00:00:00:POINT:01 is the end on the
    /// client's side, :02 the one on the server's.
    private static func frame(
        _ packet: TracePacket, servers: [IPAddress], into frame: inout [UInt8]
    ) {
        let isV6 = packet.bytes.first.map { $0 >> 4 == 6 } ?? false
        let destination = packet.bytes.dropFirst(isV6 ? 24 : 16).prefix(isV6 ? 16 : 4)
        let base = 0x0200_0000_0000 | UInt64(packet.point) << 8
        let ends = [MACAddress(rawValue: base | 1), MACAddress(rawValue: base | 2)]
        let isToServer = servers.contains { destination.elementsEqual($0.bytes) }
        let header = EthernetHeader(
            destination: ends[isToServer ? 1 : 0], source: ends[isToServer ? 0 : 1],
            type: isV6 ? .ipv6 : .ipv4)
        frame.removeAll(keepingCapacity: true)
        frame.append(contentsOf: repeatElement(0, count: EthernetHeader.length))
        frame.withUnsafeMutableBytes {
            var writer = ByteWriter($0)
            header.encode(into: &writer)
        }
        frame.append(contentsOf: packet.bytes)
    }
}
