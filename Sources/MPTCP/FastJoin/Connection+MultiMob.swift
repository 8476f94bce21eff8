internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Fast Join as it was published (fast-join, 2.1 and 2.2): SYN and SYN/ACK are the whole proof, so
/// the acceptor sends an initial window at once, and an ACK without HMAC completes the handshake.
/// What an acceptor refuses, or does not know, the joiner repeats as MP_JOIN.
extension Connection {
    /// Whether this side joins, and is joined, as published.
    var speaksMultiMob: Bool { configuration.fastJoin.speaksMultiMob }

    // MARK: Joiner

    /// The option of a SYN that makes this offer.
    func multimobOption(_ join: SubflowFastJoin.MultiMob, _ index: Int) -> MPTCPOption? {
        guard let remoteKey, let remoteToken else { return nil }
        let isBackup = subflows[index].isBackupForPeer
        let addressID = subflows[index].localAddressID
        let hmac = scheme.multimobHMAC(
            remoteToken.rawValue, .low32(join.number), from: localKey, to: remoteKey)
        guard join.isOut else {
            return .multimob(
                .inSYN(
                    isBackup: isBackup, addressID: addressID, token: remoteToken,
                    dataACK: join.number, hmac: hmac))
        }
        guard let range = offered(index) else { return nil }
        let length = UInt16(range.count)
        return .multimob(
            .outSYN(
                isBackup: isBackup, addressID: addressID, token: remoteToken,
                dataSequenceNumber: join.number, hmac: UInt32(hmac >> 32), length: length,
                checksum: DSSMapping.checksum(
                    dataSequenceNumber: data.dataSequenceNumber(at: range.lowerBound),
                    subflowSequenceNumber: 1, length: length,
                    payloadSum: data.sent.checksum(of: range))))
    }

    /// The answer to such a SYN. Returns whether the subflow may go on.
    mutating func receiveMultiMobAnswer(
        _ answer: MultiMobOption, _ header: SegmentHeader, _ index: Int, now: Instant
    ) -> Bool {
        guard let join = subflows[index].fastJoin?.multimob, let remoteKey else { return false }
        let (isBackup, addressID, claimed): (Bool, AddressID, UInt64)
        let second: DataNumber
        switch answer {
        case .outSYNACK(let backup, let id, let hmac, let dataACK):
            // Equation 3.7, and TCP has to say the same.
            guard join.isOut, let range = offered(index),
                let offset = data.sentOffset(of: dataACK), offset >= range.upperBound,
                offset <= data.next + (data.isFINSent ? 1 : 0),
                header.acknowledgment == subflows[index].tcp.firstSequence + range.count
            else { return refuseJoin(index, .mptcpSpecific, now: now) }
            (isBackup, addressID, claimed, second) = (backup, id, hmac, dataACK)
        case .inSYNACK(let backup, let id, let hmac, let nonce):
            guard !join.isOut else { return refuseJoin(index, .mptcpSpecific, now: now) }
            (isBackup, addressID, claimed, second) = (backup, id, hmac, .low32(nonce))
        case .outSYN, .inSYN: return refuseJoin(index, .mptcpSpecific, now: now)
        }
        let expected = scheme.multimobHMAC(join.number, second, from: remoteKey, to: localKey)
        guard expected ^ claimed == 0 else {
            mib.count(.joinSYNACKHMACFailure)
            return refuseJoin(index, .mptcpSpecific, now: now)
        }
        mib.count(.joinSYNACKReceived)
        if isBackup { mib.count(.joinSYNACKBackupReceived) }
        subflows[index].isBackupForUs = isBackup
        subflows[index].remoteAddressID = addressID
        return true
    }

    /// The answer proved the peer: the subflow is established.
    mutating func settleMultiMob(_ index: Int, _ header: SegmentHeader, now: Instant) {
        acceptedOffer(index)
        if case .outSYNACK(_, _, _, let number)? = header.options.multimob {
            receiveDataACK(number, header, index, now: now)
        }
        // The ACK goes ahead of what follows it.
        subflows[index].isFourthPacketPending = true
        confirmSubflow(index, now: now)
    }

    /// Whoever answers such a SYN without an MPTCP option does not know it: it takes MP_JOIN, now and
    /// later.
    mutating func meetIgnorance(_ index: Int, now: Instant) {
        fastJoin.isMultiMobIgnored = true
        counters.fastJoin.ignored += 1
        counters.joinsFailed += 1
        resetSubflow(index, MPTCPReset(.mptcpSpecific), now: now)
        retryPlainly(index, now: now)
    }

    // MARK: Acceptor

    /// Reads and verifies what a SYN brings; `nil` refuses it. Neither HMAC covers the payload.
    mutating func receiveOffer(
        _ option: MultiMobOption, payload: UnsafeRawBufferPointer, mayVerify: Bool
    ) -> JoinOffer? {
        guard let remoteKey, mayVerify, data.failure == nil else { return nil }
        func hmac(_ number: UInt32) -> UInt64 {
            scheme.multimobHMAC(
                localToken.rawValue, .low32(number), from: remoteKey, to: localKey)
        }
        switch option {
        case .outSYN(_, _, _, let number, let claimed, let length, let checksum):
            guard !payload.isEmpty, Int(length) == payload.count,
                let start = receivedStart(of: number, length: payload.count)
            else { return nil }
            var sum = InternetChecksum()
            sum.add(payload)
            let expected = DSSMapping.checksum(
                dataSequenceNumber: data.remoteInitialDSN + 1 + start, subflowSequenceNumber: 1,
                length: length, payloadSum: sum)
            guard UInt32(hmac(number) >> 32) ^ claimed == 0, expected == checksum else {
                counters.fastJoin.badMAC += 1
                return nil
            }
            guard
                fastJoin.spentOut.spend(start, from: data.received.end - data.receiveCapacity)
            else {
                counters.fastJoin.replayed += 1
                return nil
            }
            return JoinOffer(
                start: start, payload: Array(payload), isFollowedByFIN: false, isResume: false,
                multimob: SubflowFastJoin.MultiMob(isOut: true, number: number))
        case .inSYN(_, _, _, let number, let claimed):
            guard payload.isEmpty, let offset = acknowledgedOffset(of: number) else { return nil }
            guard hmac(number) ^ claimed == 0 else {
                counters.fastJoin.badMAC += 1
                return nil
            }
            guard fastJoin.spentIn.spend(offset, from: data.acknowledged) else {
                counters.fastJoin.replayed += 1
                return nil
            }
            return JoinOffer(
                start: offset, payload: [], isFollowedByFIN: false, isResume: true,
                multimob: SubflowFastJoin.MultiMob(isOut: false, number: number))
        case .outSYNACK, .inSYNACK: return nil
        }
    }

    /// What the SYN/ACK of a subflow says that was joined so.
    func multimobAnswer(_ index: Int) -> MPTCPOption? {
        guard let join = subflows[index].fastJoin?.multimob, let remoteKey else { return nil }
        let subflow = subflows[index]
        let dataACK = DataNumber.low32(UInt32(truncatingIfNeeded: data.dataACK.rawValue))
        let hmac = scheme.multimobHMAC(
            join.number, join.isOut ? dataACK : .low32(subflow.localNonce), from: localKey,
            to: remoteKey)
        return .multimob(
            join.isOut
                ? .outSYNACK(
                    isBackup: subflow.isBackupForPeer, addressID: subflow.localAddressID,
                    hmac: hmac, dataACK: dataACK)
                : .inSYNACK(
                    isBackup: subflow.isBackupForPeer, addressID: subflow.localAddressID,
                    hmac: hmac, nonce: subflow.localNonce))
    }
}

/// Numbers that SYNs as published have used up: each counts once.
struct SpentNumbers: Sendable {
    private var numbers: [Int] = []

    init() {}

    /// Uses a number up. Returns whether it was there to be used: numbers below `start` are refused
    /// for what they are and need no memory, and beyond `limit` of the others none is left.
    mutating func spend(_ number: Int, from start: Int) -> Bool {
        numbers.removeAll { $0 < start }
        guard numbers.count < Self.limit, !numbers.contains(number) else { return false }
        numbers.append(number)
        return true
    }

    private static let limit = 64
}
