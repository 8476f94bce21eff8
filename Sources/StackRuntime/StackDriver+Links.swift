internal import HostStack
internal import LinuxSystem
internal import MPTCP
internal import Netlink
internal import NetworkPrimitives
internal import PacketDevice

// MARK: - Start

extension StackDriver {
    /// Reads links, addresses and neighbours, opens the devices and silences the kernel.
    func attach() throws(StackDriverError) {
        do throws(SystemError) {
            try poll.add(monitor.descriptor, token: Self.monitorToken)
        } catch {
            throw .system(error)
        }
        let links = try read { () throws(NetlinkError) in try routes.links() }
        for name in configuration.interfaces ?? [] where !links.contains(where: { $0.name == name })
        {
            throw .noInterface(name)
        }
        for link in links { try insert(link) }
        let names = interfaces.all.filter { $0.device != nil }.map(\.link.name)
        if names.isEmpty { throw .noInterfaces }
        try silence(names)
        try readAddresses()
        let now = MonotonicClock.now()
        for interface in interfaces.all { stack.setInterface(interface.description, now: now) }
        do {
            for port in configuration.listeningPorts { try stack.listen(port: port) }
        } catch {
            throw .portInUse(configuration.listeningPorts.first ?? 0)
        }
        // What the stack says about its interfaces at the start is no event.
        while stack.pollEvent() != nil {}
    }

    private func read<Value>(
        _ body: () throws(NetlinkError) -> Value
    ) throws(StackDriverError) -> Value {
        do throws(NetlinkError) {
            return try body()
        } catch {
            throw error.reason == .notPermitted ? .notPermitted : .netlink(error)
        }
    }

    private func readAddresses() throws(StackDriverError) {
        for interface in interfaces.all { interface.addresses = [] }
        for address in try read({ () throws(NetlinkError) in try routes.addresses() }) {
            interfaces[address.interface]?.addresses.append(address)
        }
        try read { () throws(NetlinkError) in try hops.readNeighbours() }
    }

    private func isWanted(_ link: LinkInformation) -> Bool {
        guard link.hardwareAddress.count == 6 else { return false }
        return configuration.interfaces?.contains(link.name) ?? (link.name != "lo")
    }

    /// Opens a device on a link that is to be used. The loopback interface is known in any case,
    /// because the host's own addresses may stand there.
    private func insert(_ link: LinkInformation) throws(StackDriverError) {
        let isWanted = isWanted(link)
        guard isWanted || link.name == "lo" else { return }
        // Middleware looks at packets, or damages them: it gets them as they will be on the link.
        let interface = AttachedInterface(
            link, device: isWanted ? try open(link) : nil,
            offload: isWanted && configuration.middleware == nil ? .full : .none)
        if let device = interface.device {
            do {
                try poll.add(device.descriptor, token: Self.token(of: link.id))
            } catch {
                throw .system(error)
            }
        }
        interfaces.insert(interface)
    }

    /// Super-packets of one batch should still be in the processor's cache when they are read.
    private static let batchSize = 8
    private static let queueSize = 64

    private func open(_ link: LinkInformation) throws(StackDriverError) -> any PacketDevice {
        do throws(DeviceError) {
            let device = try PacketSocketDevice(
                link.name,
                .init(
                    filter: .tcpDestinations(reservation.ports),
                    slotSize: PacketSocketDevice.Configuration.superPacketSlot,
                    batchSize: Self.batchSize, queueSize: Self.queueSize))
            return configuration.middleware?(device, link.name) ?? device
        } catch {
            if case .system(let error) = error, error.isPermission { throw .notPermitted }
            throw .device(name: link.name, error)
        }
    }

    private func silence(_ names: [String]) throws(StackDriverError) {
        let owner = ProcessIdentity.current().map { "\($0)-" } ?? ""
        do throws(KernelSilencer.Failure) {
            silencers.append(
                try KernelSilencer(
                    interfaces: names, ports: reservation.ports, in: namespace,
                    suffix: owner + RandomBytes.suffix()))
        } catch {
            if case .system(let error) = error, error.isPermission { throw .notPermitted }
            throw .silencer(error)
        }
    }
}

// MARK: - Events

extension StackDriver {
    /// Takes in what happened to links, addresses, routes and neighbours, one by one: a link that
    /// went down and came up again has lost its packets.
    func takeLinkEvents(now: Instant) throws(StackDriverError) {
        for event in try read({ () throws(NetlinkError) in try monitor.readEvents() }) {
            switch event {
            case .linkChanged(let link): take(link, now: now)
            case .linkRemoved(let id, name: _): if let known = interfaces[id] { drop(known, now) }
            case .addressAdded(let address): add(address, now: now)
            case .addressRemoved(let address): remove(address, now: now)
            case .routeAdded, .routeRemoved: hops.forget()
            case .neighbourChanged(let neighbour): hops.update(neighbour)
            case .neighbourRemoved(let neighbour): hops.remove(neighbour)
            case .lost: try synchronize(now: now)
            }
        }
    }

    private func take(_ link: LinkInformation, now: Instant) {
        hops.forget()
        if let known = interfaces[link.id] {
            known.link = link
            tellStack(of: known, now: now)
            return
        }
        guard isWanted(link) else { return }
        do throws(StackDriverError) {
            try insert(link)
            try silence([link.name])
        } catch {
            // It went again meanwhile: its removal is the next event.
            if let interface = interfaces[link.id] { drop(interface, now) }
            return
        }
        if let interface = interfaces[link.id] { tellStack(of: interface, now: now) }
    }

    private func add(_ address: InterfaceAddress, now: Instant) {
        guard let interface = interfaces[address.interface] else { return }
        hops.forget()
        interface.addresses.removeAll { $0.address == address.address }
        interface.addresses.append(address)
        tellStack(of: interface, now: now)
    }

    private func remove(_ address: InterfaceAddress, now: Instant) {
        guard let interface = interfaces[address.interface] else { return }
        hops.forget()
        interface.addresses.removeAll { $0.address == address.address }
        tellStack(of: interface, now: now)
    }

    private func tellStack(of interface: AttachedInterface, now: Instant) {
        stack.setInterface(interface.description, now: now)
    }

    /// The interface is no more. When one of the same name comes back it has another number.
    func drop(_ interface: AttachedInterface, _ now: Instant) {
        if let device = interface.device {
            poll.remove(device.descriptor)
            counters.add(device.statistics)
        }
        if latest === interface { latest = nil }
        interfaces.remove(interface.id)
        hops.forget()
        stack.removeInterface(interface.id, now: now)
    }

    /// Events were lost: reads everything anew.
    private func synchronize(now: Instant) throws(StackDriverError) {
        let links = try read { () throws(NetlinkError) in try routes.links() }
        for interface in interfaces.all where !links.contains(where: { $0.id == interface.id }) {
            drop(interface, now)
        }
        for link in links { take(link, now: now) }
        try readAddresses()
        for interface in interfaces.all { tellStack(of: interface, now: now) }
    }
}
