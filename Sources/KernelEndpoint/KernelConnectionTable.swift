internal import HeapModule
internal import LinuxSystem
internal import NetworkPrimitives

/// The connections of a loop and what each of them waits for: epoll has the descriptors, a heap the
/// deadlines, so that an event costs the same among ten connections and ten thousand.
///
/// Commands: `insert`, `remove`, and `update` after anything that may have changed what a connection waits
/// for. A connection has its slot, which is its token in the poll, until it is removed.
struct KernelConnectionTable {
    private let poll: EventPoll
    private var entries: [Entry?] = []
    private var free: [Int] = []
    private var deadlines: Heap<Deadline> = []
    /// How many there are.
    private(set) var count = 0
    /// How many of them are not established yet.
    private(set) var connectingCount = 0

    private struct Entry {
        let connection: KernelConnection
        var isConnecting = false
        /// What the poll was told; `nil` when it does not watch the descriptor.
        var interest: (readable: Bool, writable: Bool)?
        /// What is in the heap for it; what else is there is out of date.
        var deadline: Instant?
    }

    private struct Deadline: Comparable {
        var at: Instant
        var slot: Int

        static func < (first: Self, second: Self) -> Bool {
            (first.at, first.slot) < (second.at, second.slot)
        }
    }

    init(_ poll: EventPoll) { self.poll = poll }

    /// The slots, of which some may be empty.
    var slots: Range<Int> { entries.indices }

    subscript(_ slot: Int) -> KernelConnection? {
        entries.indices.contains(slot) ? entries[slot]?.connection : nil
    }

    // MARK: Commands

    /// Takes a connection in; returns its slot.
    @discardableResult
    mutating func insert(_ connection: KernelConnection) throws(SystemError) -> Int {
        let slot = free.popLast() ?? entries.endIndex
        if slot == entries.endIndex { entries.append(nil) }
        entries[slot] = Entry(connection: connection)
        count += 1
        try update(slot)
        return slot
    }

    /// Forgets a connection.
    mutating func remove(_ slot: Int) {
        guard let entry = entries[slot] else { return }
        if entry.interest != nil { poll.remove(entry.connection.socket.rawValue) }
        if entry.isConnecting { connectingCount -= 1 }
        count -= 1
        entries[slot] = nil
        free.append(slot)
    }

    /// Waits for what the connection wants now.
    mutating func update(_ slot: Int) throws(SystemError) {
        guard var entry = entries[slot] else { return }
        let isConnecting = entry.connection.state == .connecting
        if isConnecting != entry.isConnecting { connectingCount += isConnecting ? 1 : -1 }
        entry.isConnecting = isConnecting
        try watch(&entry, slot)
        let deadline = entry.connection.nextDeadline
        if deadline != entry.deadline, let deadline {
            deadlines.insert(Deadline(at: deadline, slot: slot))
        }
        entry.deadline = deadline
        entries[slot] = entry
        if deadlines.count > 2 * count + Self.spare { tidyUp() }
    }

    private func watch(_ entry: inout Entry, _ slot: Int) throws(SystemError) {
        let (descriptor, wanted) = (entry.connection.socket.rawValue, entry.connection.interest)
        if !wanted.readable && !wanted.writable {
            // Without interest the kernel would still report a hang-up, again and again.
            if entry.interest != nil { poll.remove(descriptor) }
            entry.interest = nil
            return
        }
        if let known = entry.interest {
            if known == wanted { return }
            try poll.modify(
                descriptor, token: UInt64(slot), readable: wanted.readable,
                writable: wanted.writable)
        } else {
            try poll.add(
                descriptor, token: UInt64(slot), readable: wanted.readable,
                writable: wanted.writable)
        }
        entry.interest = wanted
    }

    // MARK: Deadlines

    /// When the first connection is due.
    var nextDeadline: Instant? {
        mutating get {
            while let first = deadlines.min {
                if entries[first.slot]?.deadline == first.at { return first.at }
                deadlines.removeMin()
            }
            return nil
        }
    }

    /// The slots of those that are due; `update` puts each in again.
    mutating func takeDue(_ now: Instant) -> [Int] {
        var due: [Int] = []
        while let first = deadlines.min, first.at <= now {
            deadlines.removeMin()
            guard entries[first.slot]?.deadline == first.at else { continue }
            entries[first.slot]?.deadline = nil
            due.append(first.slot)
        }
        return due
    }

    /// Deadlines that were moved again and again leave their old places behind.
    private mutating func tidyUp() {
        deadlines = Heap(
            entries.indices.compactMap { slot in
                entries[slot]?.deadline.map { Deadline(at: $0, slot: slot) }
            })
    }

    private static let spare = 64
}
