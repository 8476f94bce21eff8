import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Data in the first SYN (RFC 7413), outside of the data sequence space (RFC 8684, B).
@Suite("TCP Fast Open") struct FastOpenScenarios {
    /// A network whose client has a cookie from a first connection.
    private func prepared(
        _ version: VersionPolicy = .v1, isMultipath: Bool = true
    ) -> TwoPathNetwork {
        var shape = TwoPathNetwork.Shape.full
        shape.client.fastOpen = true
        shape.server.fastOpen = true
        shape.client.connection.versions = version
        shape.client.connection.isMultipath = isMultipath
        shape.server.connection.versions = .any
        let network = TwoPathNetwork(shape, upload: 5_000, download: 5_000)
        network.recordsPackets = true
        #expect(network.run(.seconds(3)))
        network.expectIntact()
        let cookies = network.sightings.compactMap(\.segment.header.options.fastOpenCookie)
        #expect(cookies.contains { $0.isEmpty } == (version != .v0))
        #expect(cookies.contains { $0.count == 8 } == (version != .v0))
        let early = network.sightings.contains {
            $0.segment.isSYN && !$0.segment.payload.isEmpty
        }
        #expect(!early)
        network.sightings = []
        return network
    }

    private func run(_ network: TwoPathNetwork, upload: Int = 100_000) {
        network.connectAgain(upload: upload, download: 100_000, writesEarly: true)
        #expect(network.run(.seconds(8)))
        network.expectIntact()
    }

    private func accepted(_ network: TwoPathNetwork) -> Int {
        let event = network.log.last { $0.event.name == "early_data_accepted" }
        guard case .number(let length)? = event?.event.fields.first?.value else { return 0 }
        return length
    }

    private func firstSYN(_ network: TwoPathNetwork) -> Segment? {
        network.sightings.first { $0.segment.isSYN && $0.segment.isCapable }?.segment
    }

    /// The server has the request after half a round trip; the octets of the SYN have no mapping,
    /// and those behind them start both spaces.
    @Test(arguments: [300, 100_000])
    func accepted(upload: Int) throws {
        let network = prepared()
        let start = network.simulation.now
        run(network, upload: upload)
        let syn = try #require(firstSYN(network))
        let length = syn.payload.count
        #expect(length == min(upload, 1_420))
        #expect(accepted(network) == length)
        #expect(syn.header.options.dss == nil)
        let first = try #require(network.serverApp.arrivals.first)
        #expect(first.received == length)
        #expect(first.time - start < .milliseconds(11))
        #expect(network.first("fallback", network.server) == nil)
        guard upload > length else { return }
        // RFC 8684, B.1: sequence number 1 + n, subflow sequence number 1.
        let second = try #require(
            network.sightings.first {
                $0.isForward && !$0.segment.isSYN && !$0.segment.payload.isEmpty
            }?.segment)
        #expect(second.header.sequence == syn.header.sequence + 1 + length)
        let isMapped = second.header.options.mptcp.contains {
            if case .capable(let capable) = $0 { capable.dataLength != nil } else { false }
        }
        #expect(isMapped)
    }

    @Test func plainTCP() {
        let network = prepared(isMultipath: false)
        run(network)
        #expect(accepted(network) > 0)
    }

    /// RFC 6824 knows nothing of it.
    @Test func neverInVersion0() {
        let network = prepared(.v0)
        run(network)
        #expect(accepted(network) == 0)
    }

    enum Refusal: CaseIterable {
        case wrongCookie, noPayload, partOfPayload, noOption, lostSYN, lostSYNACK
    }

    /// What the server did not take goes again, mapped like any other data.
    @Test(arguments: Refusal.allCases)
    func refused(refusal: Refusal) {
        let network = prepared()
        var left = 1
        network.filter { segment, _, isForward in
            let isTarget =
                refusal == .lostSYNACK
                ? segment.isSYNACK : isForward && segment.isSYN && !segment.payload.isEmpty
            guard left > 0, isTarget else { return true }
            left -= 1
            switch refusal {
            case .wrongCookie: segment.header.options.fastOpenCookie = [1, 2, 3, 4, 5, 6, 7, 8]
            case .noPayload: segment = segment.with(payload: [])
            case .partOfPayload: segment = segment.with(payload: Array(segment.payload[..<400]))
            case .noOption: segment.header.options.fastOpenCookie = nil
            case .lostSYN, .lostSYNACK: return false
            }
            return true
        }
        run(network)
        switch refusal {
        case .partOfPayload: #expect(accepted(network) == 400)
        case .lostSYNACK: #expect(accepted(network) > 400)
        case .wrongCookie, .noPayload, .noOption, .lostSYN: #expect(accepted(network) == 0)
        }
        #expect(network.first("fallback", network.client) == nil)
        // The path that ate a SYN with data does not get another one at once.
        network.sightings = []
        run(network)
        let length = firstSYN(network)?.payload.count ?? 0
        #expect((length > 0) == (refusal != .lostSYN && refusal != .lostSYNACK))
    }
}

extension Segment {
    fileprivate func with(payload: [UInt8]) -> Segment {
        Segment(
            source: source, destination: destination, ecn: ecn, header: header, payload: payload)
    }
}
