import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Ends, and what can get lost on the way there (mptcp-behaviour, 8, 9 and 12).
@Suite struct CloseScenarios {
    /// On every subflow at once; and on the only one behind a hole, because what left before it is
    /// lost: the key in it is proof enough.
    @Test(arguments: [true, false], [true, false])
    func fastClose(byClient: Bool, isBehindAHole: Bool) {
        let network = TwoPathNetwork(
            isBehindAHole ? .breakBeforeMake : .full, upload: 5_000_000, download: 5_000_000)
        network.recordsPackets = true
        var isLosing = false
        network.filter { segment, _, isForward in
            !isLosing || isForward != byClient || segment.isReset
        }
        network.at(295) { _ in isLosing = isBehindAHole }
        network.at(300) { network in
            let host = byClient ? network.client : network.server
            let handle = byClient ? network.clientApp.handle : network.serverApp.handle
            guard let handle else { return }
            network.simulation.perform(host) { $0.abort(handle, now: network.simulation.now) }
        }
        #expect(network.run(.milliseconds(500)))
        network.expectSound()
        #expect(network.clientApp.closed == (byClient ? .aborted : .reset))
        #expect(network.serverApp.closed == (byClient ? .reset : .aborted))
        let signals = network.sightings.filter { $0.isEntering && $0.segment.isFastClose }
        #expect(signals.count == (isBehindAHole ? 1 : 2))
        #expect(signals.allSatisfy { $0.segment.isReset })
    }

    /// DATA_FIN is not tied to TCP's reliability: only its timer repairs the loss.
    @Test(arguments: [1, 3, 5])
    func lostDataFINs(count: Int) {
        let network = TwoPathNetwork(.full, upload: 50_000, download: 50_000)
        network.lose(count) { segment, _, _ in segment.isDataFIN }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
    }

    /// The DATA_ACK of the last DATA_FIN gets lost again and again.
    @Test func lostAnswersToDataFIN() {
        let network = TwoPathNetwork(.full, upload: 50_000, download: 0)
        var finSeen = false
        var lost = 0
        network.filter { segment, _, isForward in
            if isForward, segment.isDataFIN { finSeen = true }
            guard !isForward, finSeen, lost < 4 else { return true }
            lost += 1
            return false
        }
        #expect(network.run(.seconds(15)))
        network.expectIntact()
    }

    /// The client has finished long before the server starts to send.
    @Test func halfClose() {
        let network = TwoPathNetwork(.full, upload: 100_000, download: 600_000)
        network.serverApp.released = 0
        network.at(3_000) { $0.release($0.server, 600_000) }
        #expect(network.run(.seconds(6)))
        network.expectIntact()
    }

    /// A slow reader closes the window; probes keep the connection alive, and a lost window update
    /// does not stop it.
    @Test(arguments: [true, false])
    func zeroWindow(losesUpdate: Bool) {
        var shape = TwoPathNetwork.Shape.full
        shape.client.connection.receiveBuffer = 128 * 1_024
        shape.server.connection.receiveBuffer = 128 * 1_024
        let network = TwoPathNetwork(shape, upload: 1_000_000, download: 0)
        network.serverApp.isPaused = true
        let resumeAt: Int64 = 5_000
        network.at(Int(resumeAt)) {
            $0.serverApp.isPaused = false
            $0.pump($0.server)
            $0.simulation.perform($0.server) { _ in }
        }
        if losesUpdate {
            network.filter { [unowned network] _, _, isForward in
                isForward || network.simulation.now < network.milliseconds(resumeAt)
                    || network.simulation.now > network.milliseconds(resumeAt + 30)
            }
        }
        // The probe's timeout has doubled a few times within five seconds.
        #expect(network.run(.seconds(losesUpdate ? 16 : 7)))
        network.expectIntact()
        network.expectNoLivelock(12_000)
    }

    /// The carrier dies while the window is closed, and the backup alone hears that it opened: soon, or
    /// when the carrier is asked once in a minute only.
    @Test(arguments: [4_000, 60_000])
    func windowOpensOnTheBackup(after milliseconds: Int) {
        var shape = TwoPathNetwork.Shape()
        shape.server.connection.receiveBuffer = 128 * 1_024
        let network = TwoPathNetwork(shape, upload: 1_000_000, download: 0)
        network.serverApp.isPaused = true
        network.at(milliseconds - 1_000) { $0.cut(0) }
        network.at(milliseconds) {
            $0.serverApp.isPaused = false
            $0.pump($0.server)
            $0.simulation.perform($0.server) { _ in }
        }
        network.run(.milliseconds(milliseconds + 4_000))
        #expect(network.serverApp.received == 1_000_000)
        network.expectSound()
        network.expectNoLivelock(12_000)
    }

    /// Nobody heard the DATA_FIN for half a minute, and the first one on the new path is lost: the next
    /// does not wait as long as the last one on the old path did.
    @Test func dataFINAfterAnOutage() {
        let network = TwoPathNetwork(.breakBeforeMake, upload: 100_000, download: 0)
        network.clientApp.finishes = false
        network.at(1_000) {
            $0.cut(0)
            $0.clientApp.finishes = true
            $0.release($0.client, 0)
        }
        network.lose(1) { segment, link, isForward in
            link == 1 && isForward && segment.isDataFIN
        }
        network.at(40_000) { $0.setInterface(1, isUp: true) }
        #expect(network.run(.seconds(43)))
        network.expectIntact()
    }

    /// REMOVE_ADDR is neither acknowledged nor retransmitted by the protocol: it is repeated.
    @Test func lostRemoval() {
        let network = TwoPathNetwork(upload: 0, download: 3_000_000)
        network.recordsPackets = true
        network.lose { segment, _, _ in segment.isRemoval }
        network.at(300) { $0.setInterface(0, isUp: false) }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.first("address_removed_by_peer", network.server) != nil)
    }

    /// The only address is given up before there is another subflow: it is closed in order once there
    /// is one, and is reset if none comes.
    @Test(arguments: [true, false])
    func givenUpBeforeTheJoin(isJoinPossible: Bool) {
        let network = TwoPathNetwork(
            isJoinPossible ? .full : .breakBeforeMake, upload: 200_000, download: 200_000)
        network.recordsPackets = true
        network.at(35) { network in
            network.simulation.perform(network.client) {
                $0.giveUpAddress(TwoPathNetwork.wifiAddress, now: network.simulation.now)
            }
        }
        network.at(5_000) { $0.setInterface(1, isUp: true) }
        #expect(network.run(.seconds(15)))
        network.expectIntact()
        let onWiFi = network.sightings.filter { $0.link == 0 && $0.isForward && $0.isEntering }
        #expect(onWiFi.contains { $0.segment.header.flags.contains(.fin) } == isJoinPossible)
        #expect(onWiFi.contains { $0.segment.isReset } != isJoinPossible)
    }

    /// ADD_ADDR is repeated until its echo comes; every address gets its turn.
    @Test(arguments: [true, false])
    func lostAnnouncement(losesEcho: Bool) {
        var shape = TwoPathNetwork.Shape()
        shape.server.connection.announcedAddresses = [
            IPAddress.v4(0x0a00_0902), IPAddress.v4(0x0a00_0903),
        ]
        let network = TwoPathNetwork(shape, upload: 100_000, download: 0)
        network.recordsPackets = true
        network.clientApp.finishes = false
        network.at(4_000) {
            $0.clientApp.finishes = true
            $0.release($0.client, 0)
        }
        network.lose(2) { segment, _, isForward in
            segment.announcement != nil && isForward == losesEcho
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        let echoes = network.sightings.filter {
            $0.isForward && !$0.isEntering && $0.segment.announcement?.form == .echo
        }
        #expect(Set(echoes.compactMap { $0.segment.announcement?.address }).count == 2)
        #expect(network.count("address_announced", network.client) >= 2)
    }

    /// An announcement that the peer cannot have made is ignored.
    @Test func forgedAnnouncement() {
        var shape = TwoPathNetwork.Shape()
        shape.server.connection.announcedAddresses = [IPAddress.v4(0x0a00_0902)]
        let network = TwoPathNetwork(shape, upload: 100_000, download: 0)
        network.recordsPackets = true
        network.filter { segment, _, _ in
            if var option = segment.announcement, case .announcement(let hmac) = option.form {
                option.form = .announcement(hmac: hmac ^ 1)
                segment.header.options.mptcp = [.addAddress(option)]
            }
            return true
        }
        #expect(network.run(.seconds(10)))
        network.expectIntact()
        #expect(network.sightings.contains { $0.segment.announcement != nil })
        #expect(network.first("address_announced", network.client) == nil)
        #expect(!network.sightings.contains { $0.segment.announcement?.form == .echo })
    }
}
