/// Events that the Linux kernel's MIB counts too, and means the same by (kernel-peer, 19).
public enum MIBCounter: Int, Sendable, CaseIterable {
    /// SYNs with MP_CAPABLE sent by connections that this host opened.
    case capableSYNSent
    /// SYNs with an MP_CAPABLE that a listener takes up.
    case capableSYNReceived
    /// SYN/ACKs with MP_CAPABLE received.
    case capableSYNACKReceived
    /// Third packets with MP_CAPABLE received.
    case capableACKReceived
    /// Third packets without the MP_CAPABLE that was agreed on.
    case capableFallbackACK
    /// SYN/ACKs without MP_CAPABLE.
    case capableFallbackSYNACK
    /// Connections whose repeated SYN left MP_CAPABLE out.
    case capableSYNDropped
    /// Connections that are plain TCP because of an earlier blackhole.
    case capableSYNDisabled
    /// Plain SYNs that were answered where those with MP_CAPABLE were not.
    case blackhole
    /// Connections that are plain TCP because no token was free.
    case noFreeToken
    /// Simultaneous opens, which end in plain TCP.
    case simultaneousConnect
    /// SYNs with MP_JOIN sent, without repetitions.
    case joinSYNSent
    /// SYNs with MP_JOIN received and answered.
    case joinSYNReceived
    /// Those of them with the backup flag.
    case joinSYNBackupReceived
    /// SYN/ACKs with a right MP_JOIN received.
    case joinSYNACKReceived
    /// Those of them with the backup flag.
    case joinSYNACKBackupReceived
    /// SYN/ACKs with a wrong HMAC in MP_JOIN.
    case joinSYNACKHMACFailure
    /// Third packets with a right MP_JOIN received.
    case joinACKReceived
    /// Third packets with a wrong HMAC in MP_JOIN.
    case joinACKHMACFailure
    /// SYNs with MP_JOIN whose token nobody has.
    case joinNoTokenFound
    /// Joins refused because of a limit.
    case joinRejected
    /// Mappings that contradict what was said before.
    case mappingNotMatching
    /// Mappings whose checksum was wrong.
    case checksumError
    /// Fallbacks because a DSS was missing or made no sense.
    case dssFallback
    /// Subflows reset because a fallback was not possible any more.
    case fallbackFailed
    /// Fallbacks that the peer was told of with an infinite mapping.
    case infiniteMappingSent
    /// Infinite mappings received.
    case infiniteMappingReceived
    /// MP_FAIL sent.
    case failSent
    /// MP_FAIL received.
    case failReceived
    /// Pieces outside of the connection's window that were dropped.
    case outOfWindow
    /// Pieces that had arrived before, on this subflow or another one.
    case duplicateData
    /// Segments dropped because what is queued out of order is too much.
    case pruned
    /// Mappings sent again on another subflow.
    case retransmission
    /// Probes of a closed connection-level window.
    case windowProbe
    /// Subflows that became suspect.
    case subflowStale
    /// Suspect subflows that were heard again.
    case subflowRecovered
    /// ADD_ADDR with a right HMAC received.
    case addAddressReceived
    /// ADD_ADDR sent.
    case addAddressSent
    /// ADD_ADDR received and not taken up: known, or too many.
    case addAddressDropped
    /// Echoes of ADD_ADDR received.
    case echoReceived
    /// Echoes of ADD_ADDR sent.
    case echoSent
    /// ADD_ADDR with a port received.
    case portReceived
    /// Address identifiers removed by the peer.
    case removeAddressReceived
    /// Address identifiers that the peer was told to remove.
    case removeAddressSent
    /// Subflows that went with an address of this host.
    case subflowRemoved
    /// MP_PRIO sent.
    case prioritySent
    /// MP_PRIO received.
    case priorityReceived
    /// Segments with MP_FASTCLOSE sent.
    case fastCloseSent
    /// MP_FASTCLOSE with the right key received.
    case fastCloseReceived
    /// RSTs with MP_TCPRST sent.
    case resetSent
    /// RSTs with MP_TCPRST received.
    case resetReceived

    /// The kernel's name, without the prefix `MPTcpExt`.
    public var name: String {
        switch self {
        case .capableSYNSent: "MPCapableSYNTX"
        case .capableSYNReceived: "MPCapableSYNRX"
        case .capableSYNACKReceived: "MPCapableSYNACKRX"
        case .capableACKReceived: "MPCapableACKRX"
        case .capableFallbackACK: "MPCapableFallbackACK"
        case .capableFallbackSYNACK: "MPCapableFallbackSYNACK"
        case .capableSYNDropped: "MPCapableSYNTXDrop"
        case .capableSYNDisabled: "MPCapableSYNTXDisabled"
        case .blackhole: "Blackhole"
        case .noFreeToken: "MPFallbackTokenInit"
        case .simultaneousConnect: "SimultConnectFallback"
        case .joinSYNSent: "MPJoinSynTx"
        case .joinSYNReceived: "MPJoinSynRx"
        case .joinSYNBackupReceived: "MPJoinSynBackupRx"
        case .joinSYNACKReceived: "MPJoinSynAckRx"
        case .joinSYNACKBackupReceived: "MPJoinSynAckBackupRx"
        case .joinSYNACKHMACFailure: "MPJoinSynAckHMacFailure"
        case .joinACKReceived: "MPJoinAckRx"
        case .joinACKHMACFailure: "MPJoinAckHMacFailure"
        case .joinNoTokenFound: "MPJoinNoTokenFound"
        case .joinRejected: "MPJoinRejected"
        case .mappingNotMatching: "DSSNotMatching"
        case .checksumError: "DataCsumErr"
        case .dssFallback: "DssFallback"
        case .fallbackFailed: "FallbackFailed"
        case .infiniteMappingSent: "InfiniteMapTx"
        case .infiniteMappingReceived: "InfiniteMapRx"
        case .failSent: "MPFailTx"
        case .failReceived: "MPFailRx"
        case .outOfWindow: "NoDSSInWindow"
        case .duplicateData: "DuplicateData"
        case .pruned: "RcvPruned"
        case .retransmission: "MPTCPRetrans"
        case .windowProbe: "WinProbe"
        case .subflowStale: "SubflowStale"
        case .subflowRecovered: "SubflowRecover"
        case .addAddressReceived: "AddAddr"
        case .addAddressSent: "AddAddrTx"
        case .addAddressDropped: "AddAddrDrop"
        case .echoReceived: "EchoAdd"
        case .echoSent: "EchoAddTx"
        case .portReceived: "PortAdd"
        case .removeAddressReceived: "RmAddr"
        case .removeAddressSent: "RmAddrTx"
        case .subflowRemoved: "RmSubflow"
        case .prioritySent: "MPPrioTx"
        case .priorityReceived: "MPPrioRx"
        case .fastCloseSent: "MPFastcloseTx"
        case .fastCloseReceived: "MPFastcloseRx"
        case .resetSent: "MPRstTx"
        case .resetReceived: "MPRstRx"
        }
    }
}

/// One number for each `MIBCounter`, of one connection or of a stack.
public struct MIBCounters: Sendable {
    private var values = InlineArray<51, UInt32>(repeating: 0)

    /// All zero.
    public init() {}

    /// How often it happened.
    public subscript(counter: MIBCounter) -> Int { Int(values[counter.rawValue]) }

    /// It happened.
    public mutating func count(_ counter: MIBCounter, times: Int = 1) {
        values[counter.rawValue] &+= UInt32(truncatingIfNeeded: times)
    }

    /// Adds what another connection counted.
    public mutating func add(_ other: MIBCounters) {
        for index in values.indices { values[index] &+= other.values[index] }
    }

    /// What is not zero, under the kernel's names, in the kernel's order.
    public var nonZero: [(name: String, count: Int)] {
        MIBCounter.allCases.compactMap { self[$0] == 0 ? nil : ($0.name, self[$0]) }
    }
}
