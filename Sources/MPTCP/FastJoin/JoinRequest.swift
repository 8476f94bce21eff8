public import WireFormat

/// What the SYN of a join asks for, by MP_JOIN or, where this side speaks it, by a Fast Join as it was
/// published.
public struct JoinRequest: Sendable {
    /// Which connection is to be joined.
    public var token: Token
    /// Whether there is a MAC to be verified before anything else.
    public var needsVerification: Bool
    var isBackup: Bool
    var addressID: AddressID
    /// Of MP_JOIN; 0 without.
    var nonce: UInt32 = 0
    /// The option that stands in for MP_JOIN.
    var multimob: MultiMobOption?
}

extension SegmentHeader {
    /// The request on a SYN, `nil` if it is none to a host of this configuration.
    public func joinRequest(_ configuration: FastJoinConfiguration) -> JoinRequest? {
        for option in options.mptcp {
            switch option {
            case .join(.syn(let isBackup, let addressID, let token, let nonce)):
                return JoinRequest(
                    token: token, needsVerification: options.fastJoin != nil, isBackup: isBackup,
                    addressID: addressID, nonce: nonce)
            case .multimob(.outSYN(let isBackup, let addressID, let token, _, _, _, _))
            where
                configuration.speaksMultiMob,
                .multimob(.inSYN(let isBackup, let addressID, let token, _, _))
            where
                configuration.speaksMultiMob:
                return JoinRequest(
                    token: token, needsVerification: true, isBackup: isBackup,
                    addressID: addressID, multimob: options.multimob)
            default: continue
            }
        }
        return nil
    }
}

extension TCPOptions {
    /// The fast join option of a SYN.
    var fastJoin: FastJoinOption? {
        for case .fastJoin(let option) in mptcp { return option }
        return nil
    }

    /// Its counterpart as published.
    var multimob: MultiMobOption? {
        for case .multimob(let option) in mptcp { return option }
        return nil
    }
}
