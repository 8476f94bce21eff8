import HostStack
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import WireFormat

/// Who takes the SYNs of joins.
enum Acceptor: CaseIterable {
    /// Believes what every SYN+MP_JOIN carries, and every joiner: our server behind somebody who has
    /// both keys and puts right what it would refuse.
    case naive
    case ours
}

extension TwoPathNetwork {
    /// The keys, which crossed in the clear on the third packet of the connection
    /// (`recordsPackets`).
    var keys: (client: Key, server: Key)? {
        for sighting in sightings where sighting.isForward {
            for case .capable(let capable) in sighting.segment.header.options.mptcp {
                if let client = capable.senderKey, let server = capable.receiverKey {
                    return (client, server)
                }
            }
        }
        return nil
    }

    /// The low 32 bits of the data sequence number that the server expects, for whoever sees what
    /// arrives there.
    var expectedNumber: UInt32 {
        let arrived = sightings.last {
            $0.isForward && !$0.isEntering && $0.segment.header.options.dss?.mapping != nil
        }
        guard let mapping = arrived?.segment.header.options.dss?.mapping else { return 0 }
        return mapping.dataSequenceNumber.low32 &+ UInt32(mapping.length)
    }

    /// Gives a SYN+MP_JOIN the MAC that only who has the keys can make.
    func sign(_ syn: inout Segment) {
        guard let keys, let option = syn.fastJoin,
            case .join(.syn(let isBackup, let addressID, let token, let nonce))? =
                syn.header.options.mptcp.first
        else { return }
        var message = FastJoinMessage(
            purpose: .data, token: token, nonce: nonce, addressID: addressID, isBackup: isBackup,
            number: DataSequenceNumber(0))
        func mac() -> UInt64 {
            HandshakeScheme.v1.fastJoinMAC(
                message, payload: syn.payload, joinerKey: keys.client, acceptorKey: keys.server)
        }
        switch option {
        case .data(let isFollowedByFIN, let number, _):
            message.isFollowedByFIN = isFollowedByFIN
            message.number = Self.full(number, of: keys.client)
            syn.setFastJoin(
                .data(
                    isFollowedByFIN: isFollowedByFIN, dataSequenceNumber: number, mac: mac()))
        case .resume(let number, _):
            message.purpose = .resume
            message.number = Self.full(number, of: keys.server)
            syn.setFastJoin(.resume(dataACK: number, mac: mac()))
        case .capabilities, .timeoutRequest, .timeout: break
        }
    }

    /// The data sequence number of a stream that is shorter than 4 GB.
    private static func full(_ number: UInt32, of key: Key) -> DataSequenceNumber {
        let start = HandshakeScheme.v1.initialDataSequenceNumber(of: key)
        return start + Int(number &- UInt32(truncatingIfNeeded: start.rawValue))
    }

    /// Has the server receive what somebody sends from anywhere.
    func inject(_ segment: Segment, to acceptor: Acceptor) {
        var segment = segment
        if acceptor == .naive { sign(&segment) }
        let packet = segment.encodedPacket()
        simulation.perform(server) { stack in
            packet.withUnsafeBytes {
                stack.receive(
                    $0, verification: .checksum, on: InterfaceID(1), now: simulation.now)
            }
        }
    }

    /// Ends the handshake of a join for the joiner, who does not have the keys: a naive server does
    /// not ask for them.
    func prove(_ syn: Segment, answeredBy synACK: Segment) {
        guard let keys,
            case .join(.syn(_, _, _, let clientNonce))? = syn.header.options.mptcp.first,
            case .join(.synACK(_, _, _, let serverNonce))? = synACK.header.options.mptcp.first
        else { return }
        var header = SegmentHeader(
            sourcePort: syn.header.sourcePort, destinationPort: syn.header.destinationPort,
            sequence: synACK.header.acknowledgment, acknowledgment: synACK.header.sequence + 1,
            flags: .ack, window: 65_535)
        header.options.mptcp = [
            .join(
                .ack(
                    hmac: HandshakeScheme.v1.joinHMAC(
                        localKey: keys.client, remoteKey: keys.server, localNonce: clientNonce,
                        remoteNonce: serverNonce)))
        ]
        let ack = Segment(source: syn.source, destination: syn.destination, header: header)
        simulation.at(simulation.now) { [unowned self] _ in inject(ack, to: .ours) }
    }

    /// Lets packets to these addresses take the way of LTE.
    func route(_ addresses: [IPAddress]) {
        let lte = SimulatedPort(host: client, interface: InterfaceID(2))
        simulation.addresses[lte]?.append(contentsOf: addresses)
    }
}

extension DataNumber {
    fileprivate var low32: UInt32 {
        switch self {
        case .low32(let value): value
        case .full(let value): UInt32(truncatingIfNeeded: value)
        }
    }
}
