internal import CongestionControl
package import HostStack
internal import LinuxSystem
internal import MPTCP
internal import Netlink
package import NetworkPrimitives
package import PacketDevice
internal import TCP
internal import WireFormat

/// Drives one `HostStack` on the interfaces of a network namespace: real packets, real time, and the
/// kernel's link events, routes and neighbours. Belongs to the thread that made it, and to the
/// namespace in which that thread was.
///
/// - Inputs and time: `turn(until:)` sleeps, then feeds the stack.
/// - Outputs: `transmit(now:)` sends what the stack has to send.
/// - Commands: `connect(to:from:now:)`, `watch(_:token:)`, `close()`; all others go to `stack`.
///
/// Call order: after any command to the stack `transmit`, take the stack's events, and once both
/// yield nothing, `turn`. The clock is read once per turn.
package final class StackDriver {
    /// How to run a stack.
    package struct Configuration {
        /// What the stack is told; its ports are chosen by the driver.
        package var stack = StackConfiguration()
        /// Keys, sequence numbers and ports follow from it. Drawn from the kernel's generator unless
        /// a run is to be repeated.
        package var seed: UInt64
        /// Interfaces to use; `nil` for every one that carries Ethernet frames.
        package var interfaces: [String]?
        /// Ports on which connections will be accepted.
        package var listeningPorts: [UInt16] = []
        /// Whether connections will be opened.
        package var opensConnections = false
        /// Puts something between the stack and a device, by the interface's name.
        package var middleware: ((any PacketDevice, String) -> any PacketDevice)?

        package init(seed: UInt64) { self.seed = seed }
    }

    /// Connections to one port that can be opened at once: the ports of a block but its first.
    package static let mostConnections = PortReservation.blockSize - 1

    /// What the driver itself did with packets.
    package struct Counters: Hashable, Sendable {
        /// Frames that were not for this host or no IP.
        package var foreignFrames = 0
        /// Packets that waited for a route or a neighbour.
        package var heldPackets = 0
        /// Packets that waited in vain.
        package var unroutablePackets = 0
        /// Packets for which a device had no room.
        package var droppedPackets = 0
        /// Of all devices: what the kernel dropped because nobody fetched it in time, what was larger
        /// than a slot, what the kernel refused to send, and what was queued when a link went down.
        package var kernelDrops = 0
        package var truncatedFrames = 0
        package var rejectedFrames = 0
        package var lostFrames = 0

        package init() {}

        /// Adds what a device counted.
        mutating func add(_ device: DeviceStatistics) {
            kernelDrops += Int(clamping: device.kernelDrops)
            truncatedFrames += Int(clamping: device.framesTruncated)
            rejectedFrames += Int(clamping: device.framesRejected)
            lostFrames += Int(clamping: device.framesLost)
        }
    }

    /// The driver's own counters with those of the devices that there are and were.
    package var allCounters: Counters {
        var result = counters
        for interface in interfaces.all {
            if let device = interface.device { result.add(device.statistics) }
        }
        return result
    }

    /// The stack. Commands to it are followed by `transmit`.
    package let stack: HostStack
    package internal(set) var counters = Counters()
    /// Tokens of watched descriptors that the last turn found ready.
    package private(set) var readyTokens: [UInt64] = []

    let configuration: Configuration
    let poll: EventPoll
    let monitor: LinkEventMonitor
    let routes: RouteController
    let namespace: NetworkNamespace
    let reservation = PortReservation()
    var silencers: [KernelSilencer] = []
    var interfaces = AttachedInterfaces()
    var hops: NextHopTable
    var held: [HeldPacket] = []
    /// Where the last packet left: most go the way of the one before.
    var latest: AttachedInterface?
    /// One packet of the largest size.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_664, alignment: 16)

    static let monitorToken = UInt64.max - 1
    /// Marks tokens of `watch`; those of devices are interface numbers.
    static let watchMark: UInt64 = 1 << 62

    /// Attaches to the namespace of the calling thread.
    package init(_ configuration: Configuration) throws(StackDriverError) {
        self.configuration = configuration
        for port in configuration.listeningPorts { try reservation.reserve(port) }
        var stackConfiguration = configuration.stack
        if configuration.opensConnections {
            let block = try reservation.reserveBlock()
            // The first port of the block is held by a kernel socket.
            let ports = (block.lowerBound + 1)...block.upperBound
            stackConfiguration.ephemeralPorts = ports
            stackConfiguration.connection.ephemeralPorts = ports
        }
        stack = HostStack(configuration: stackConfiguration, seed: configuration.seed)
        do throws(SystemError) {
            poll = try EventPoll()
            namespace = try NetworkNamespace.current()
        } catch {
            scratch.deallocate()
            throw .system(error)
        }
        do throws(NetlinkError) {
            // Before anything is read: what changes meanwhile is not missed.
            monitor = try LinkEventMonitor()
            routes = try RouteController()
            hops = NextHopTable(routes)
        } catch {
            scratch.deallocate()
            throw .netlink(error)
        }
        for scheme in [HandshakeScheme.v1, .v0] { scheme.prepare() }
        try attach()
    }

    deinit {
        scratch.deallocate()
    }

    /// Lets the kernel speak again on the stack's ports.
    package func close() {
        for silencer in silencers { try? silencer.remove() }
        silencers = []
    }

    /// Ports on which the stack accepts connections.
    package var listeningPorts: [UInt16] { configuration.listeningPorts }

    /// Whether the first SYN may carry data.
    var usesFastOpen: Bool { configuration.stack.fastOpen }

    /// Whether an interface that is up has the address.
    package func hasAddress(_ address: IPAddress) -> Bool {
        interfaces.all.contains { $0.link.isUp && $0.has(address) }
    }

    /// Name of the congestion control of all connections.
    package var congestionControl: String {
        configuration.stack.connection.tcp.congestionControl.rawValue
    }

    /// Packets that the stack took in and gave out.
    package var packetCount: Int {
        let counters = stack.counters
        return counters.packetsReceived + counters.packetsSent
    }

    // MARK: Commands

    /// Has `turn` return when a descriptor is readable; its token is then among `readyTokens`.
    package func watch(_ descriptor: Int32, token: UInt64) throws(StackDriverError) {
        do {
            try poll.add(descriptor, token: Self.watchMark | token)
        } catch {
            throw .system(error)
        }
    }

    /// Watches a descriptor no more.
    package func stopWatching(_ descriptor: Int32) { poll.remove(descriptor) }

    /// Opens a connection from `local`, or from the address that the kernel's routes say.
    package func connect(
        to remote: Endpoint, from local: IPAddress?, now: Instant
    ) throws(StackDriverError) -> ConnectionHandle {
        let chosen: IPAddress
        if let local { chosen = local } else { chosen = try source(for: remote.address, now: now) }
        do {
            return try stack.connect(to: remote, from: chosen, now: now)
        } catch {
            switch error {
            case .noSourceAddress: throw .noAddress(chosen)
            case .noFreePort, .tooManyConnections:
                throw .tooManyConnections(limit: Self.mostConnections)
            case .portInUse(let port): throw .portInUse(port)
            }
        }
    }

    private func source(
        for destination: IPAddress, now: Instant
    ) throws(StackDriverError) -> IPAddress {
        let source: IPAddress?
        do {
            source = try hops.source(for: destination, now: now)
        } catch {
            throw .netlink(error)
        }
        guard let source else { throw .noRoute(destination) }
        return source
    }

    // MARK: Inputs

    /// Sleeps until packets, link events or a watched descriptor are there, or the stack's next
    /// deadline or `deadline` has come; feeds the stack and returns the time.
    package func turn(until deadline: Instant?) throws(StackDriverError) -> Instant {
        var due = stack.pollDeadline() ?? .distantFuture
        if let deadline { due = min(due, deadline) }
        do {
            let ready = try poll.wait(until: due == .distantFuture ? nil : due)
            let now = MonotonicClock.now()
            try take(ready, now: now)
            stack.handleDeadline(now: now)
            return now
        } catch let error as StackDriverError {
            throw error
        } catch {
            throw .system(error as? SystemError ?? SystemError("turn", code: 0))
        }
    }

    /// Link events first: what they change decides where the rest goes.
    private func take(
        _ ready: UnsafeBufferPointer<EventPoll.Ready>, now: Instant
    ) throws(StackDriverError) {
        readyTokens.removeAll(keepingCapacity: true)
        for entry in ready where entry.token == Self.monitorToken {
            try takeLinkEvents(now: now)
        }
        for entry in ready where entry.token != Self.monitorToken {
            if entry.token & Self.watchMark != 0 {
                readyTokens.append(entry.token & ~Self.watchMark)
            } else if let interface = interfaces.device(
                InterfaceID(Int32(truncatingIfNeeded: entry.token)))
            {
                if entry.isWritable, interface.isBlocked { interface.isDirty = true }
                receive(on: interface, now: now)
            }
        }
    }

    /// Octets that are taken in one turn. The rest is still there at the next one, behind what the
    /// stack has to say to this.
    private static let octetsPerTurn = 262_144

    private func receive(on interface: AttachedInterface, now: Instant) {
        guard let device = interface.device else { return }
        var octets = 0
        while octets < Self.octetsPerTurn {
            let count: Int
            do throws(DeviceError) {
                count = try device.receive()
            } catch {
                switch error {
                case .linkDown: return
                case .deviceGone, .system: return drop(interface, now)
                }
            }
            for index in 0..<count { octets += receive(device.frame(at: index), interface, now) }
            if count < device.batchSize { return }
        }
    }

    /// Gives a frame to the stack; returns how many octets it has.
    private func receive(
        _ frame: ReceivedFrame, _ interface: AttachedInterface, _ now: Instant
    ) -> Int {
        if let packet = Self.packet(in: frame) {
            // A veth peer leaves checksums unfinished: they stand for valid ones.
            stack.receive(
                packet, verification: frame.checksumNotReady ? .checksumNotReady : .checksum,
                on: interface.id, now: now)
        } else {
            counters.foreignFrames += 1
        }
        return frame.bytes.count
    }

    /// The IP packet in a frame for this host.
    private static func packet(in frame: ReceivedFrame) -> UnsafeRawBufferPointer? {
        guard frame.kind == .host, frame.bytes.count > EthernetHeader.length else { return nil }
        let type = UInt16(frame.bytes[12]) << 8 | UInt16(frame.bytes[13])
        guard type == EtherType.ipv4.rawValue || type == EtherType.ipv6.rawValue else {
            return nil
        }
        return UnsafeRawBufferPointer(rebasing: frame.bytes[EthernetHeader.length...])
    }
}
