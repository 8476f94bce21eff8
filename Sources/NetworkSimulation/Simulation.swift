package import HostStack
package import LinkModel
internal import MPTCP
package import Middlebox
package import NetworkPrimitives
internal import WireFormat

/// A path between an interface of one host and an interface of another, both directions.
package struct SimulatedLink {
    /// From the first end to the second.
    package var forward: LinkDirection
    /// From the second end to the first.
    package var backward: LinkDirection
    /// The radio that both directions go through, if it ever sleeps.
    package var radio: RadioState?
    /// What sits at the second end and touches packets: it has what came over the link, and what is
    /// about to go over it. Up is forward.
    package var middleboxes = MiddleboxChain()
    let ends: (SimulatedPort, SimulatedPort)
}

/// An interface of a simulated host.
package struct SimulatedPort: Hashable, Sendable {
    /// The host's number.
    package var host: Int
    /// The interface within the host.
    package var interface: InterfaceID

    /// This interface of this host.
    package init(host: Int, interface: InterfaceID) {
        self.host = host
        self.interface = interface
    }
}

/// Where a packet was seen.
package struct PacketSighting {
    /// Virtual time.
    package var time: Instant
    /// The link.
    package var link: Int
    /// Whether the packet goes from the link's first end to the second.
    package var isForward: Bool
    /// Whether it is seen as it enters the link, or as it leaves.
    package var isEntering: Bool
    /// The IP packet.
    package var packet: [UInt8]
}

/// Hosts and links in virtual time, in one process, deterministic from a seed.
///
/// Call order: add hosts and links, `perform` commands on hosts, `run(until:)`. Whoever handles
/// events of a host (`onEvent`) may command it: the host is served again afterwards.
package final class Simulation {
    private enum Event {
        case arrival(link: Int, isForward: Bool, epoch: Int, packet: [UInt8])
        case middleboxes(link: Int)
        case wake(host: Int)
        case action((Simulation) -> Void)
    }

    /// Octets of Ethernet header that a frame has beyond the IP packet, as the link counts them.
    package static let frameOverhead = 14

    /// Virtual time.
    package private(set) var now: Instant
    /// The links.
    package var links: [SimulatedLink] = []
    /// The hosts' stacks.
    package private(set) var hosts: [HostStack] = []
    /// Called for each event of a host.
    package var onEvent: ((Simulation, Int, StackEvent) -> Void)?
    /// Called for each packet that enters or leaves a link.
    package var onPacket: ((PacketSighting) -> Void)?
    /// What sits on the paths and touches packets: what it returns enters the link in place of the
    /// packet, in this order.
    package var middlebox: ((_ packet: [UInt8], _ link: Int, _ isForward: Bool) -> [[UInt8]])?
    /// Events handled so far.
    package private(set) var steps = 0

    private var queue = EventQueue<Event>()
    private var wakeAt: [Instant?] = []
    private var boxesWakeAt: [Instant?] = []
    private var attachments: [[(port: SimulatedPort, link: Int, isForward: Bool)]] = []
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    /// An empty network whose time starts at `start`.
    package init(start: Instant = .zero) { now = start }

    deinit { buffer.deallocate() }

    /// Adds a host; returns its number.
    package func addHost(_ stack: HostStack) -> Int {
        hosts.append(stack)
        wakeAt.append(nil)
        attachments.append([])
        return hosts.count - 1
    }

    /// Adds a link; returns its number.
    package func addLink(
        _ first: SimulatedPort, _ second: SimulatedPort, forward: LinkDirection,
        backward: LinkDirection
    ) -> Int {
        links.append(
            SimulatedLink(forward: forward, backward: backward, ends: (first, second)))
        boxesWakeAt.append(nil)
        let number = links.count - 1
        attachments[first.host].append((first, number, true))
        attachments[second.host].append((second, number, false))
        return number
    }

    /// Has something done at an instant.
    package func at(_ instant: Instant, _ action: @escaping (Simulation) -> Void) {
        queue.schedule(.action(action), at: max(instant, now))
    }

    /// Commands a host now and sends what follows from it.
    package func perform(_ host: Int, _ body: (HostStack) -> Void) {
        body(hosts[host])
        serve(host)
    }

    /// Handles events until `deadline`, or until nothing is left, or `isDone` says so.
    /// Returns whether `isDone` stopped it.
    @discardableResult
    package func run(until deadline: Instant, isDone: () -> Bool = { false }) -> Bool {
        while !isDone() {
            guard let next = queue.nextInstant, next <= deadline,
                let (instant, event) = queue.popFirst()
            else {
                now = max(now, deadline)
                return isDone()
            }
            now = max(now, instant)
            steps += 1
            handle(event)
        }
        return true
    }

    private func handle(_ event: Event) {
        switch event {
        case .action(let action): action(self)
        case .wake(let host):
            guard let due = wakeAt[host], due <= now else { return }
            wakeAt[host] = nil
            hosts[host].handleDeadline(now: now)
            serve(host)
        case .middleboxes(let link):
            boxesWakeAt[link] = nil
            emit(links[link].middleboxes.handleDeadline(now: now), link)
        case .arrival(let link, let isForward, let epoch, let packet):
            let direction = isForward ? links[link].forward : links[link].backward
            guard direction.epoch == epoch, direction.isUp else { return }
            if isForward, !links[link].middleboxes.isEmpty {
                emit(links[link].middleboxes.receive(packet, .up, now: now), link)
            } else {
                deliver(packet, link, isForward)
            }
        }
    }

    /// Gives a packet to the host at the end of a link.
    private func deliver(_ packet: [UInt8], _ link: Int, _ isForward: Bool) {
        onPacket?(
            PacketSighting(
                time: now, link: link, isForward: isForward, isEntering: false, packet: packet))
        let port = isForward ? links[link].ends.1 : links[link].ends.0
        packet.withUnsafeBytes {
            hosts[port.host].receive(
                $0, verification: .checksum, on: port.interface, now: now)
        }
        serve(port.host)
    }

    /// Sends on what leaves the middleboxes of a link, and wakes them when they want.
    private func emit(_ emissions: [MiddleboxChain.Emission], _ link: Int) {
        for emission in emissions {
            switch emission.direction {
            case .up: deliver(emission.octets, link, true)
            case .down: carry(emission.octets, over: link, false)
            }
        }
        guard let deadline = links[link].middleboxes.deadline else { return }
        if let planned = boxesWakeAt[link], planned <= deadline { return }
        boxesWakeAt[link] = deadline
        queue.schedule(.middleboxes(link: link), at: max(deadline, now))
    }

    /// Sends, reports and schedules until the host has nothing to say.
    private func serve(_ host: Int) {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            while let transmit = hosts[host].pollTransmit(now: now, into: buffer) {
                isQuiet = false
                send(transmit, from: host)
            }
            while let event = hosts[host].pollEvent() {
                isQuiet = false
                onEvent?(self, host, event)
            }
        }
        guard let deadline = hosts[host].pollDeadline() else { return }
        if let planned = wakeAt[host], planned <= deadline { return }
        wakeAt[host] = deadline
        queue.schedule(.wake(host: host), at: max(deadline, now))
    }

    private func send(_ transmit: Transmit, from host: Int) {
        let packet = [UInt8](UnsafeRawBufferPointer(rebasing: buffer[..<transmit.length]))
        guard let (link, isForward) = route(transmit, from: host) else { return }
        onPacket?(
            PacketSighting(
                time: now, link: link, isForward: isForward, isEntering: true, packet: packet))
        let packets = middlebox.map { $0(packet, link, isForward) } ?? [packet]
        for packet in packets {
            if !isForward, !links[link].middleboxes.isEmpty {
                emit(links[link].middleboxes.receive(packet, .down, now: now), link)
            } else {
                carry(packet, over: link, isForward)
            }
        }
    }

    private func carry(_ packet: [UInt8], over link: Int, _ isForward: Bool) {
        let bytes = packet.count + Self.frameOverhead
        let isUp = isForward ? links[link].forward.isUp : links[link].backward.isUp
        let ready = isUp ? links[link].radio?.pass(now: now) : nil
        let verdict =
            isForward
            ? links[link].forward.offer(bytes: bytes, radioReady: ready, now: now)
            : links[link].backward.offer(bytes: bytes, radioReady: ready, now: now)
        let epoch = isForward ? links[link].forward.epoch : links[link].backward.epoch
        func deliver(_ packet: [UInt8], at instant: Instant) {
            queue.schedule(
                .arrival(link: link, isForward: isForward, epoch: epoch, packet: packet),
                at: instant)
        }
        switch verdict {
        case .deliver(let instant): deliver(packet, at: instant)
        case .deliverTwice(let first, let second):
            deliver(packet, at: first)
            deliver(packet, at: second)
        case .corrupt(let instant, let bit):
            var damaged = packet
            let octet = bit / 8 - Self.frameOverhead
            if octet >= 0, octet < damaged.count { damaged[octet] ^= 1 << (bit % 8) }
            deliver(damaged, at: instant)
        case .drop: break
        }
    }

    /// The link of the interface, or, at a host with one interface behind several links, the link
    /// whose far end owns the destination.
    private func route(_ transmit: Transmit, from host: Int) -> (Int, Bool)? {
        let candidates = attachments[host].filter { $0.port.interface == transmit.interface }
        if candidates.count <= 1 { return candidates.first.map { ($0.link, $0.isForward) } }
        for candidate in candidates {
            let far =
                candidate.isForward
                ? links[candidate.link].ends.1 : links[candidate.link].ends.0
            if addresses[far]?.contains(transmit.destination) == true {
                return (candidate.link, candidate.isForward)
            }
        }
        return nil
    }

    /// The addresses of interfaces, for hosts that reach several links through one interface.
    package var addresses: [SimulatedPort: [IPAddress]] = [:]
}
