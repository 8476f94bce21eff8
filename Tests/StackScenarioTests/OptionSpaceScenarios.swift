import HostStack
import MPTCP
import NetworkPrimitives
import Testing
import WireFormat

/// What has no room in forty octets of options must not end the host.
@Suite("Option space") struct OptionSpaceScenarios {
    /// A client and a server with TCP Fast Open, of which the client has a cookie from a first
    /// connection; its SYN/ACK is changed on the way.
    private func prepared(_ change: @escaping (inout TCPOptions) -> Void) -> TwoPathNetwork {
        var shape = TwoPathNetwork.Shape.full
        shape.client.fastOpen = true
        shape.server.fastOpen = true
        let network = TwoPathNetwork(shape, upload: 5_000, download: 5_000)
        network.recordsPackets = true
        network.filter { segment, _, _ in
            if segment.isSYNACK, segment.header.options.fastOpenCookie != nil {
                change(&segment.header.options)
            }
            return true
        }
        #expect(network.run(.seconds(3)))
        network.expectIntact()
        network.sightings = []
        return network
    }

    private func connectAgain(_ network: TwoPathNetwork) -> Segment? {
        network.connectAgain(upload: 20_000, download: 20_000, writesEarly: true)
        #expect(network.run(.seconds(8)))
        network.expectIntact()
        return network.sightings.first { $0.segment.isSYN && $0.segment.isCapable }?.segment
    }

    /// A peer whose segments are shorter than the options gets no data in the SYN.
    @Test func tinySegmentsWithCookie() throws {
        let network = prepared { $0.maximumSegmentSize = 30 }
        let syn = try #require(connectAgain(network))
        #expect(syn.header.options.fastOpenCookie?.count == 8)
        #expect(syn.payload.isEmpty)
    }

    /// RFC 7413, 4.1.1 allows cookies of 4 to 16 octets; the longest has no room beside MP_CAPABLE.
    @Test(arguments: [4, 14, 16])
    func lengthOfCookie(length: Int) throws {
        let network = prepared {
            $0.fastOpenCookie = [UInt8](repeating: 7, count: length)
        }
        let syn = try #require(connectAgain(network))
        #expect(syn.header.options.fastOpenCookie?.count == (length == 16 ? nil : length))
        #expect(syn.payload.isEmpty == (length == 16))
        #expect(syn.header.options.timestamps != nil)
    }

    /// ADD_ADDR of an IPv6 address with a port has no room beside timestamps.
    @Test func longestAnnouncement() throws {
        var shape = TwoPathNetwork.Shape.full
        let address = IPAddress.v6(0x2001_0db8_0009_0000, 9)
        shape.server.connection.announcedAddresses = [address]
        shape.server.connection.announcedPort = 6_000
        let network = TwoPathNetwork(shape, upload: 50_000, download: 50_000)
        network.recordsPackets = true
        #expect(network.run(.seconds(5)))
        network.expectIntact()
        let announcement = try #require(
            network.sightings.first {
                $0.segment.header.options.mptcp.contains {
                    if case .addAddress(let option) = $0 { option.form != .echo } else { false }
                }
            })
        #expect(announcement.segment.header.options.timestamps == nil)
        #expect(network.first("address_announced", network.client) != nil)
    }
}
