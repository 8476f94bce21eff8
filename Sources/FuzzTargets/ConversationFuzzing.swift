internal import HostStack
internal import MPTCP
internal import NetworkPrimitives
internal import TCP
internal import WireFormat

/// Two stacks and a wire on which the input decides what happens, operation by operation; then the
/// wire is good, and everything has to come to an end.
struct ConversationFuzzing {
    static func run(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var conversation = ConversationFuzzing()
        conversation.start()
        var position = 0
        while position + 1 < bytes.count, position < operationLimit, conversation.faults.isEmpty {
            conversation.perform(bytes[position], Int(bytes[position + 1]))
            position += 2
        }
        conversation.calmDown()
        return conversation.faults
    }

    /// A packet on its way to a host.
    private struct Packet {
        var host: Int
        var interface: InterfaceID
        var bytes: [UInt8]
    }

    /// One end's application.
    private struct End {
        var handle: ConnectionHandle?
        var written = 0
        var received = 0
        var isFinished = false
        var isPaused = false
        var closed: CloseReason?
    }

    private var stacks: [HostStack] = []
    private var ends = [End(), End()]
    private var wire: [Packet] = []
    private var now = Instant.zero
    private var interfaces: [StackInterface] = []
    private var buffer = [UInt8](repeating: 0, count: 16_384)
    private(set) var faults: [String] = []

    private static let operationLimit = 4_096
    private static let wireLimit = 256
    private static let writeLimit = 200_000
    private static let server = Endpoint(.v4(0x0a00_0901), 5_001)
    private static let clientAddresses: [IPAddress] = [.v4(0x0a00_0102), .v4(0x0a00_0202)]
    /// What a conversation may still take on a good wire.
    private static let calmSteps = 60_000
    private static let calmTime = Duration.seconds(600)

    private init() {
        var configuration = StackConfiguration()
        configuration.connection.policy = .full
        // A half-closed end notices by nothing else that the other one has gone.
        configuration.connection.tcp.keepAliveIdle = .seconds(20)
        configuration.connection.tcp.keepAliveInterval = .seconds(2)
        stacks.append(HostStack(configuration: configuration, seed: 1))
        configuration.connection.policy = .acceptOnly
        stacks.append(HostStack(configuration: configuration, seed: 2))
        interfaces = Self.clientAddresses.enumerated().map { index, address in
            StackInterface(
                id: InterfaceID(Int32(index + 1)), name: "if\(index)", addresses: [address],
                mtu: 1_500, isUp: true)
        }
    }

    private mutating func start() {
        stacks[1].setInterface(
            StackInterface(
                id: InterfaceID(1), name: "eth0", addresses: [Self.server.address], mtu: 1_500,
                isUp: true), now: now)
        do throws(StackError) {
            try stacks[1].listen(port: Self.server.port)
            for interface in interfaces { stacks[0].setInterface(interface, now: now) }
            ends[0].handle = try stacks[0].connect(
                to: Self.server, from: Self.clientAddresses[0], now: now)
        } catch {
            faults.append("no connection: \(error)")
        }
        pump()
    }

    // MARK: Operations

    private mutating func perform(_ operation: UInt8, _ argument: Int) {
        switch operation % 24 {
        case 0...6: deliver(at: 0)
        case 7, 8: deliver(at: argument)
        case 9: if !wire.isEmpty { wire.remove(at: argument % wire.count) }
        case 10: if !wire.isEmpty { wire.append(wire[argument % wire.count]) }
        case 11: flipBit(argument)
        case 12: cut(argument)
        case 13: strip(argument)
        case 14, 15: pass(Self.steps[argument % Self.steps.count])
        case 16: write(0, argument * 40 + 1)
        case 17: write(1, argument * 40 + 1)
        case 18: finish(argument % 2)
        case 19: setInterface(argument % 2, isUp: argument & 2 != 0)
        case 20: stacks[0].setBackup(argument & 2 != 0, address: address(argument), now: now)
        case 21: ends[argument % 2].isPaused = argument & 2 != 0
        case 22: if argument % 16 == 0 { stacks[0].giveUpAddress(address(argument / 16), now: now) }
        default: if argument == 0xff { abort(Int(operation) / 24 % 2) }
        }
        pump()
    }

    private static let steps: [Duration] = [
        .milliseconds(1), .milliseconds(10), .milliseconds(50), .milliseconds(200),
        .milliseconds(1_000), .seconds(5), .seconds(61),
    ]

    private func address(_ argument: Int) -> IPAddress { Self.clientAddresses[argument % 2] }

    private mutating func deliver(at argument: Int) {
        guard !wire.isEmpty else { return }
        let packet = wire.remove(at: argument % wire.count)
        if packet.host == 0, !isUp(packet.interface) { return }
        packet.bytes.withUnsafeBytes {
            stacks[packet.host].receive(
                $0, verification: .checksum, on: packet.interface, now: now)
        }
    }

    private func isUp(_ id: InterfaceID) -> Bool { interfaces.contains { $0.id == id && $0.isUp } }

    private mutating func flipBit(_ argument: Int) {
        guard !wire.isEmpty, !wire[argument % wire.count].bytes.isEmpty else { return }
        let index = argument % wire.count
        let octet = argument * 7 % wire[index].bytes.count
        wire[index].bytes[octet] ^= 1 << UInt8(argument % 8)
    }

    private mutating func cut(_ argument: Int) {
        guard !wire.isEmpty else { return }
        wire[0].bytes.removeLast(min(argument + 1, wire[0].bytes.count))
    }

    /// A middlebox that takes MPTCP's options away and repairs the checksum.
    private mutating func strip(_ argument: Int) {
        guard !wire.isEmpty else { return }
        let index = argument % wire.count
        guard var segment = try? Segment(parsing: wire[index].bytes) else { return }
        segment.header.options.mptcp = []
        segment.header.options.dss = nil
        wire[index].bytes = segment.encodedPacket()
    }

    private mutating func pass(_ step: Duration) {
        now = now + step
        for stack in stacks { stack.handleDeadline(now: now) }
    }

    private mutating func write(_ host: Int, _ count: Int) {
        guard let handle = ends[host].handle, !ends[host].isFinished, ends[host].closed == nil
        else { return }
        let count = min(count, buffer.count, Self.writeLimit - ends[host].written)
        guard count > 0 else { return }
        for index in 0..<count { buffer[index] = Self.octet(ends[host].written + index, host) }
        let taken = buffer.withUnsafeBytes {
            stacks[host].write(
                UnsafeRawBufferPointer(rebasing: $0[..<count]), to: handle, now: now)
        }
        ends[host].written += taken
    }

    /// An end that has no connection yet finishes when it has.
    private mutating func finish(_ host: Int) {
        ends[host].isFinished = true
        guard let handle = ends[host].handle, ends[host].closed == nil else { return }
        stacks[host].finishWriting(handle, now: now)
    }

    private mutating func abort(_ host: Int) {
        guard let handle = ends[host].handle, ends[host].closed == nil else { return }
        stacks[host].abort(handle, now: now)
    }

    private mutating func setInterface(_ index: Int, isUp: Bool) {
        interfaces[index].isUp = isUp
        stacks[0].setInterface(interfaces[index], now: now)
    }

    // MARK: What follows

    private static func octet(_ offset: Int, _ host: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: offset &* 31 &+ offset >> 8) ^ (host == 0 ? 0x55 : 0xaa)
    }

    private mutating func pump() {
        var isQuiet = false
        var rounds = 0
        while !isQuiet {
            isQuiet = true
            rounds += 1
            guard rounds < 10_000 else {
                faults.append("a stack never stops talking")
                return
            }
            for host in 0...1 {
                while let event = stacks[host].pollEvent() {
                    isQuiet = false
                    take(event, host)
                }
                if read(host) { isQuiet = false }
                while let packet = nextPacket(host) {
                    isQuiet = false
                    if wire.count < Self.wireLimit { wire.append(packet) }
                }
            }
        }
        faults += stacks.flatMap(\.invariantViolations)
    }

    private mutating func nextPacket(_ host: Int) -> Packet? {
        let stack = stacks[host]
        let now = now
        let transmit = buffer.withUnsafeMutableBytes { stack.pollTransmit(now: now, into: $0) }
        guard let transmit else { return nil }
        let bytes = Array(buffer[..<transmit.length])
        if host == 0 { return Packet(host: 1, interface: InterfaceID(1), bytes: bytes) }
        let index = Self.clientAddresses.firstIndex(of: transmit.destination) ?? 0
        return Packet(host: 0, interface: InterfaceID(Int32(index + 1)), bytes: bytes)
    }

    private mutating func take(_ event: StackEvent, _ host: Int) {
        switch event {
        case .accepted(let handle):
            guard ends[host].handle == nil else { return }
            ends[host].handle = handle
            if ends[host].isFinished { finish(host) }
        case .closed(let handle, let reason):
            guard handle == ends[host].handle else { return }
            ends[host].closed = reason
        case .established, .readable, .writable, .atEnd, .log: break
        }
    }

    /// Whatever can be read is what the other end wrote.
    private mutating func read(_ host: Int) -> Bool {
        guard let handle = ends[host].handle, !ends[host].isPaused else { return false }
        let stack = stacks[host]
        let now = now
        let count = buffer.withUnsafeMutableBytes { stack.read(from: handle, into: $0, now: now) }
        guard count > 0 else { return false }
        for index in 0..<count {
            let offset = ends[host].received + index
            if offset >= ends[1 - host].written || buffer[index] != Self.octet(offset, 1 - host) {
                faults.append("end \(host): octet \(offset) is not the one that was written")
                break
            }
        }
        ends[host].received += count
        return true
    }

    // MARK: The end

    /// From here on nothing is lost and both applications finish: either everything arrives, or the
    /// connection is visibly over.
    private mutating func calmDown() {
        for index in interfaces.indices { setInterface(index, isUp: true) }
        for host in 0...1 {
            ends[host].isPaused = false
            finish(host)
        }
        pump()
        let limit = now + Self.calmTime
        var steps = 0
        while faults.isEmpty, !isOver {
            steps += 1
            if !wire.isEmpty {
                deliver(at: 0)
            } else if let due = stacks.compactMap({ $0.pollDeadline() }).min(), due <= limit {
                now = max(now, due)
                for stack in stacks { stack.handleDeadline(now: now) }
            } else {
                break
            }
            if steps > Self.calmSteps { return faults.append("it never comes to an end") }
            pump()
        }
        guard faults.isEmpty else { return }
        if !isOver { return faults.append("it stands still") }
        for host in 0...1 where ends[host].closed == .finished {
            // An end that was reached in order has everything.
            if ends[host].received < ends[1 - host].written, ends[1 - host].closed == .finished {
                faults.append(
                    "end \(host) got \(ends[host].received) of \(ends[1 - host].written) octets")
            }
        }
    }

    private var isOver: Bool {
        ends.allSatisfy { $0.handle == nil || $0.closed != nil } && wire.isEmpty
    }
}
