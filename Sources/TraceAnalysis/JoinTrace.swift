package import WireFormat

/// One attempt to add a subflow (RFC 8684, 3.2).
package struct JoinTrace: Hashable, Sendable {
    /// How it ended.
    package enum Outcome: Hashable, Sendable {
        /// The fourth packet, or data, came from the listener.
        case established
        /// One side reset it.
        case refused(byListener: Bool, MPTCPReset?)
        /// The captures end before it does.
        case open
    }

    /// Whether an HMAC is what the keys and nonces make.
    package enum Verdict: Hashable, Sendable {
        case valid
        case invalid
        /// Why it cannot be told.
        case unknown(String)
    }

    /// The subflow.
    package var subflow: Int
    package var isFromClient: Bool
    package var token: Known<Token>
    package var openerAddressID: AddressID?
    package var listenerAddressID: AddressID?
    package var openerBackup: Bool?
    package var listenerBackup: Bool?
    /// Every transmission of the SYN.
    package var syns: [PacketTimes]
    package var synACK: PacketTimes?
    /// The first third packet, and how many more there were.
    package var thirdACK: PacketTimes?
    package var thirdACKRepetitions: Int
    /// The listener's first packet after the handshake, an ACK or already data: with it the opener
    /// may send.
    package var fourthACK: PacketTimes?
    package var synACKHMAC: Verdict
    package var thirdACKHMAC: Verdict
    package var outcome: Outcome
    /// What the SYN offered beyond a join.
    package var fastJoin: FastJoinTrace?

    /// When the first SYN left.
    package var start: Int64? { syns.first?.first }
}
