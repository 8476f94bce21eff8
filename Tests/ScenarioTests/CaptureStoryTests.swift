import NetworkPrimitives
import Scenario
import Testing
import TraceAnalysis
import WireFormat

/// Milestones as comments on packets.
@Suite struct CaptureStoryTests {
    private static let wifi = IPAddress.v4(0x0a00_0102)
    private static let lte = IPAddress.v4(0x0a00_0202)
    private static let server = IPAddress.v4(0x0a00_0901)
    private static let zero: Int64 = 1_000_000_000

    private static func story(_ moments: [(Milestone, Double)]) -> CaptureStory {
        var timeline = Timeline()
        for (milestone, milliseconds) in moments { timeline[milestone] = milliseconds }
        let way = PathProfile.Way(delay: .milliseconds(30), rate: nil)
        return CaptureStory(
            timeline, breakTime: zero,
            paths: MeasuredPaths(
                all: [
                    .init("wifi", clientAddresses: [wifi]), .init("lte", clientAddresses: [lte]),
                ], old: 0, new: 1, newPath: PathProfile(up: way, down: way),
                oldPath: PathProfile(up: way, down: way)),
            servers: [server])
    }

    private static func packet(
        _ milliseconds: Double, from source: IPAddress, to destination: IPAddress,
        _ flags: TCPFlags = .ack, payload: Int = 0, _ option: MPTCPOption? = nil
    ) -> TracePacket {
        var header = SegmentHeader(
            sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(1),
            acknowledgment: SequenceNumber(1), flags: flags, window: 1_000)
        header.options.mptcp = option.map { [$0] } ?? []
        return TracePacket(
            time: zero + Int64((milliseconds * 1e6).rounded()), point: 0,
            bytes: Segment(
                source: source, destination: destination, header: header,
                payload: [UInt8](repeating: 0, count: payload)
            ).encodedPacket())
    }

    private static let syn = MPTCPOption.join(
        .syn(isBackup: false, addressID: AddressID(2), token: Token(1), nonce: 1))

    @Test func whatIsNoPacketIsSaidOnTheNextOne() {
        var story = Self.story([(.breakOldPath, 0), (.make, 200), (.ready, 200)])
        let before = Self.packet(-1, from: Self.wifi, to: Self.server, payload: 1)
        #expect(story.comments(on: before, at: .atClient, isLast: false).isEmpty)
        let behind = Self.packet(0.25, from: Self.wifi, to: Self.server, payload: 1)
        #expect(
            story.comments(on: behind, at: .atClient, isLast: false) == [
                "break, t0 + 0 ms: the old path ends (0.25 ms before this packet)"
            ])
        #expect(story.comments(on: behind, at: .atClient, isLast: false).isEmpty)
        let exact = Self.packet(200, from: Self.lte, to: Self.server, .syn, Self.syn)
        #expect(
            story.comments(on: exact, at: .atClient, isLast: false) == [
                "make, t0 + 200 ms: the new path is up",
                "ready, t0 + 200 ms: only the protocol delays from here",
            ])
    }

    /// In virtual time several packets have one instant: each milestone finds its own.
    @Test func packetsOfOneInstantAreToldApart() {
        var story = Self.story([
            (.detected, 201.5), (.joinSYN, 201.5), (.firstLackingByteArrived, 201.5),
            (.firstDataACKOnNewPath, 201.5),
        ])
        let up = (Self.lte, Self.server)
        let ack = MPTCPOption.dss(DSS(dataACK: .low32(7)))
        let packets: [(TracePacket, TracePoint.Place, [String])] = [
            // Nothing of the old path, nor what only arrives.
            (Self.packet(201.5, from: Self.wifi, to: Self.server), .atClient, []),
            (Self.packet(201.5, from: up.0, to: up.1, .syn, Self.syn), .atServer, []),
            (
                Self.packet(201.5, from: up.0, to: up.1, .syn, Self.syn), .atClient,
                ["detected", "join_syn"]
            ),
            (Self.packet(201.5, from: up.0, to: up.1, payload: 5), .atClient, []),
            (Self.packet(201.5, from: Self.wifi, to: up.1, payload: 5), .atServer, []),
            (
                Self.packet(201.5, from: up.0, to: up.1, payload: 5), .atServer,
                ["first_lacking_byte_arrived"]
            ),
            (Self.packet(201.5, from: up.1, to: up.0), .atClient, []),
            (Self.packet(201.5, from: up.1, to: up.0, .ack, ack), .atServer, []),
            (
                Self.packet(201.5, from: up.1, to: up.0, .ack, ack), .atClient,
                ["first_data_ack_on_new_path"]
            ),
        ]
        for (packet, place, names) in packets {
            let comments = story.comments(on: packet, at: place, isLast: false)
            #expect(comments.map { String($0.prefix { $0 != "," }) } == names)
            #expect(comments.allSatisfy { $0.contains(", t0 + 201.5 ms: ") })
        }
    }

    /// A box between gave the packet another address: it is still the one that is meant.
    @Test func rewrittenAddressesAreNoHindrance() {
        var story = Self.story([(.firstLackingByteArrived, 10)])
        let packet = Self.packet(10, from: .v4(0xc000_0201), to: Self.server, payload: 1)
        #expect(story.comments(on: packet, at: .atServer, isLast: false).count == 1)
    }

    @Test func nothingIsLost() {
        var story = Self.story([(.joinSYN, 5), (.joinFourthACK, 125), (.make, -3)])
        let garbage = TracePacket(time: Self.zero + 6_000_000, point: 0, bytes: [0x45, 1])
        #expect(
            story.comments(on: garbage, at: .atServer, isLast: true) == [
                "make, t0 - 3 ms: the new path is up (9 ms before this packet)",
                "join_syn, t0 + 5 ms: SYN + MP_JOIN leaves (1 ms before this packet)",
                "join_fourth_ack, t0 + 125 ms: fourth ACK (119 ms behind this packet)",
            ])
    }

    @Test func withoutBreakNothingIsTold() {
        var timeline = Timeline()
        timeline.setUnknown(.ready, because: "no break (--null)")
        let way = PathProfile.Way(delay: .milliseconds(30), rate: nil)
        var story = CaptureStory(
            timeline, breakTime: nil,
            paths: MeasuredPaths(
                all: [], old: 0, new: 1, newPath: PathProfile(up: way, down: way),
                oldPath: PathProfile(up: way, down: way)),
            servers: [])
        let packet = Self.packet(0, from: Self.wifi, to: Self.server)
        #expect(story.comments(on: packet, at: .atClient, isLast: true).isEmpty)
    }
}
