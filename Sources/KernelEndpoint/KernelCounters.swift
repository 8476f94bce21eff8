package import LinuxSystem

/// A counter of the kernel that tests and reports name (kernel-peer.md, 19). The raw value is the
/// name in /proc/net/netstat, without the prefix `MPTcpExt` of nstat.
package enum KernelCounter: String, Hashable, Sendable, CaseIterable {
    case capableSynSent = "MPCapableSYNTX"
    case capableSynReceived = "MPCapableSYNRX"
    case capableSynAckReceived = "MPCapableSYNACKRX"
    case capableAccepted = "MPCapableACKRX"
    case joinSynSent = "MPJoinSynTx"
    case joinSynReceived = "MPJoinSynRx"
    case joinSynAckReceived = "MPJoinSynAckRx"
    case joinAckReceived = "MPJoinAckRx"
    case joinNoToken = "MPJoinNoTokenFound"
    case joinWrongHMAC = "MPJoinAckHMacFailure"
    case joinRejected = "MPJoinRejected"
    case retransmissions = "MPTCPRetrans"
    case duplicateData = "DuplicateData"
    case addressRemovedSent = "RmAddrTx"
    case addressRemovedReceived = "RmAddr"
    case subflowRemoved = "RmSubflow"
    case priorityReceived = "MPPrioRx"
    case prioritySent = "MPPrioTx"
    case subflowStale = "SubflowStale"
    case resetSent = "MPRstTx"
    case resetReceived = "MPRstRx"
    case fastCloseSent = "MPFastcloseTx"
    case fastCloseReceived = "MPFastcloseRx"
    case checksumError = "DataCsumErr"
    case mappingMismatch = "DSSNotMatching"
    case mappingMismatchTCP = "DSSNoMatchTCP"
    case corruptionFallback = "DSSCorruptionFallback"
    case corruptionReset = "DSSCorruptionReset"
    case fallback = "DssFallback"
    case fallbackFailed = "FallbackFailed"
    case established = "MPCurrEstab"
}

/// The kernel's MPTCP counters of one namespace at one moment, or what came between two.
package struct KernelCounters: Hashable, Sendable {
    private let names: [String]
    private let values: [String: Int64]

    /// Those of the calling thread's namespace.
    package static func current() throws(SystemError) -> KernelCounters {
        // /proc/net is that of the process's first thread, which may live elsewhere.
        KernelCounters(netstat: try TextFile.read("/proc/thread-self/net/netstat"))
    }

    /// Reads the text of /proc/net/netstat: a line of names and a line of values for each group.
    package init(netstat text: String) {
        var names: [String] = []
        var values: [String: Int64] = [:]
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("MPTcpExt:") }
            .map { $0.split(separator: " ").dropFirst() }
        if rows.count == 2 {
            for (name, value) in zip(rows[0], rows[1]) {
                names.append(String(name))
                values[String(name)] = Int64(value) ?? 0
            }
        }
        self.init(names: names, values: values)
    }

    private init(names: [String], values: [String: Int64]) {
        self.names = names
        self.values = values
    }

    /// Whether the kernel has MPTCP at all.
    package var isAvailable: Bool { !names.isEmpty }

    /// A counter; 0 if this kernel does not have it.
    package subscript(_ counter: KernelCounter) -> Int64 { values[counter.rawValue] ?? 0 }

    /// A counter by its name in /proc/net/netstat, `nil` if this kernel does not have it.
    package subscript(_ name: String) -> Int64? { values[name] }

    /// What came since `earlier`. `MPCurrEstab` is a gauge: there it is the change.
    package func since(_ earlier: KernelCounters) -> KernelCounters {
        KernelCounters(
            names: names,
            values: values.merging(earlier.values) { $0 - $1 })
    }

    /// What is not zero, in the kernel's order.
    package var nonZero: [(name: String, value: Int64)] {
        names.compactMap { name in
            guard let value = values[name], value != 0 else { return nil }
            return (name, value)
        }
    }
}
