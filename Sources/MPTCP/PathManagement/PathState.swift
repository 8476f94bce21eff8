internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// What a connection knows about addresses (mptcp-behaviour, 12).
struct PathState: Sendable {
    struct Announcement: Sendable {
        var address: IPAddress
        var id: AddressID
        var attempts = 0
        var deadline: Instant?
        var isEchoed = false
    }

    /// The first subflow's tuple: its addresses have ID 0.
    var initialTuple: FourTuple?
    /// Where the connection was tried first.
    var preferredAddress: IPAddress?
    /// When the next interface is tried.
    var attemptDeadline: Instant?
    private var identifiers: [(address: IPAddress, id: AddressID)] = []
    private var lastIdentifier: UInt8 = 0
    /// The first subflow's address was removed: it has no longer ID 0.
    private var isInitialRemoved = false
    /// Addresses that the peer announced.
    var remoteAddresses: [(id: AddressID, endpoint: Endpoint)] = []
    /// The peer removed the address of its first subflow: nobody joins it until it is announced again,
    /// or answers.
    var isPeerInitialRemoved = false
    /// Local addresses whose join failed; cleared when their interface comes up again.
    private(set) var failedAddresses: [IPAddress] = []
    /// Whether somebody asked for another subflow and none was opened since.
    var isAnotherWanted = false
    /// Local addresses that the owner gave up.
    var givenUp: [IPAddress] = []
    /// Removals that every subflow still has to be told, or told again.
    private(set) var removals: [AddressID] = []
    private(set) var removalDeadline: Instant?
    private var removalRepeats = 0
    private var retryDeadline: Instant?
    private var joinRetries = 0
    var announcements: [Announcement] = []

    init() {}

    var nextDeadline: Instant? {
        var earliest = removalDeadline
        if let retryDeadline { earliest = min(earliest ?? retryDeadline, retryDeadline) }
        if let attemptDeadline { earliest = min(earliest ?? attemptDeadline, attemptDeadline) }
        for announcement in announcements where !announcement.isEchoed {
            guard let deadline = announcement.deadline else { continue }
            earliest = min(earliest ?? deadline, deadline)
        }
        return earliest
    }

    /// The ID of a local address; a new address gets the next free one. So does one that was
    /// removed: the peer may hear of the removal after it has heard of the new subflow.
    mutating func localAddressID(of address: IPAddress, initial: IPAddress?) -> AddressID {
        if address == initial, !isInitialRemoved { return .initial }
        if let known = identifiers.first(where: { $0.address == address }) { return known.id }
        repeat {
            lastIdentifier = lastIdentifier == .max ? 1 : lastIdentifier + 1
        } while identifiers.count < 255 && identifiers.contains { $0.id.rawValue == lastIdentifier }
        let id = AddressID(lastIdentifier)
        identifiers.append((address, id))
        return id
    }

    mutating func noteFailedJoin(from address: IPAddress) {
        if !failedAddresses.contains(address) { failedAddresses.append(address) }
    }

    mutating func forgetFailures(of addresses: [IPAddress]) {
        failedAddresses.removeAll { addresses.contains($0) }
        joinRetries = 0
    }

    mutating func forgetAllFailures() { failedAddresses = [] }

    /// A failed join is tried again after one, two and four seconds.
    mutating func scheduleRetry(now: Instant) {
        guard joinRetries < 3, retryDeadline == nil else { return }
        retryDeadline = now + .seconds(1 << joinRetries)
        joinRetries += 1
    }

    mutating func takeRetry(now: Instant) -> Bool {
        guard let deadline = retryDeadline, deadline <= now else { return false }
        retryDeadline = nil
        failedAddresses = []
        return true
    }

    /// An address is gone: the peer is to hear of it on every other subflow.
    mutating func remove(_ id: AddressID) {
        // One option has room for eight (RFC 8684, 3.4.2 has no limit, Linux does).
        if removals.count == 8 { removals.removeFirst() }
        if !removals.contains(id) { removals.append(id) }
        removalRepeats = 0
        identifiers.removeAll { $0.id == id }
        if id == .initial { isInitialRemoved = true }
    }

    /// Everybody there was told once, and that is all.
    mutating func forgetRemovals() { removals = [] }

    /// REMOVE_ADDR is neither acknowledged nor retransmitted by the protocol: it is repeated after
    /// one and two timeouts (handover-experiments, I.1).
    mutating func armRemovalRepeat(at instant: Instant) { removalDeadline = instant }

    /// Whether the removals are to be told once more.
    mutating func takeRemovalRepeat(now: Instant) -> Bool {
        guard let deadline = removalDeadline, deadline <= now else { return false }
        removalDeadline = nil
        removalRepeats += 1
        if removalRepeats > 2 { removals = [] }
        return !removals.isEmpty
    }

    func signalRemovals(on subflow: inout Subflow) {
        guard !removals.isEmpty else { return }
        subflow.signal(.removeAddress(removals))
    }
}
