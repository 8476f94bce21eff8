internal import CNetlinkRoute
internal import Glibc
internal import NetworkPrimitives

extension RouteController {
    private static let rootParent: UInt32 = 0xffff_ffff

    /// `tc qdisc replace dev NAME root [handle H:] KIND ...`. An error with reason `.notSupported`
    /// when the kernel lacks it.
    ///
    /// Give a handle only if the queue is to have a child, and not while a root of another kind is
    /// in place: the kernel refuses to put another kind under a given handle.
    package func setRootQueue(
        _ queue: QueueDiscipline, on name: String, handle: UInt16? = nil
    ) throws(NetlinkError) {
        let words = handle.map { "root handle \(String($0, radix: 16)):" } ?? "root"
        try setQueue(
            queue, on: name, parent: Self.rootParent, handle: UInt32(handle ?? 0) << 16, words)
    }

    /// `tc qdisc replace dev NAME parent H:1 KIND ...`: what a root with one class, such as netem or
    /// tbf, hands its packets on to when they leave it. The root takes it along when it goes.
    package func setChildQueue(
        _ queue: QueueDiscipline, of root: UInt16, on name: String
    ) throws(NetlinkError) {
        let words = "parent \(String(root, radix: 16)):1"
        try setQueue(queue, on: name, parent: UInt32(root) << 16 | 1, handle: 0, words)
    }

    private func setQueue(
        _ queue: QueueDiscipline, on name: String, parent: UInt32, handle: UInt32, _ place: String
    ) throws(NetlinkError) {
        let command = "tc qdisc replace dev \(name) \(place) \(queue.arguments)"
        var header = tcmsg()
        header.tcm_ifindex = try interface(named: name).rawValue
        header.tcm_parent = parent
        header.tcm_handle = handle
        let request = NetlinkRequest(
            RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, header)
        request.put(TCA_KIND, queue.kind)
        switch queue {
        case .netem(let emulation): Self.fill(request, emulation)
        case .tokenBucket(let bucket): Self.fill(request, bucket)
        }
        try executeLoading(request, command)
    }

    /// Sends a request that may make the kernel load a module.
    func executeLoading(
        _ request: NetlinkRequest, _ command: @autoclosure () -> String
    ) throws(NetlinkError) {
        do {
            try socket.execute(request, command())
        } catch  where error.code == ENOENT {
            // So the kernel answers when it has no such kind, or a device it needs is missing; the
            // device was there a moment ago.
            var error = error
            error.reason = .notSupported
            throw error
        }
    }

    private static func fill(_ request: NetlinkRequest, _ emulation: NetworkEmulation) {
        func probability(_ share: Double) -> UInt32 {
            UInt32((Swift.min(Swift.max(share, 0), 1) * Double(UInt32.max)).rounded())
        }
        request.nest(TCA_OPTIONS) {
            var options = tc_netem_qopt()
            options.limit = UInt32(clamping: emulation.limit)
            options.loss = probability(emulation.loss)
            options.duplicate = probability(emulation.duplicate)
            // Reordering needs a gap and a delay; 1 stands for "each packet may".
            options.gap = emulation.reorder > 0 ? 1 : 0
            // The options stand bare at the start of the nest, as tc sends them. Delay and jitter
            // go in nanoseconds below, because a tick's length differs from kernel to kernel.
            request.append(options)
            request.put(TCA_NETEM_LATENCY64, emulation.delay.wholeNanoseconds)
            request.put(TCA_NETEM_JITTER64, emulation.jitter.wholeNanoseconds)
            if emulation.reorder > 0 {
                request.put(
                    TCA_NETEM_REORDER,
                    structure: tc_netem_reorder(
                        probability: probability(emulation.reorder), correlation: 0))
            }
            if emulation.corrupt > 0 {
                request.put(
                    TCA_NETEM_CORRUPT,
                    structure: tc_netem_corrupt(
                        probability: probability(emulation.corrupt), correlation: 0))
            }
            if let bursts = emulation.burstLoss {
                // h is the chance to get through in the bad state, k1 the loss in the good one.
                request.nest(TCA_NETEM_LOSS) {
                    request.put(
                        NETEM_LOSS_GE,
                        structure: tc_netem_gemodel(
                            p: probability(bursts.goodToBad), r: probability(bursts.badToGood),
                            h: probability(1 - bursts.lossInBad),
                            k1: probability(bursts.lossInGood)))
                }
            }
            if let rate = emulation.rate {
                let bytes = rate.bitsPerSecond / 8
                var option = tc_netem_rate()
                option.rate = UInt32(clamping: bytes)
                if bytes > Int64(UInt32.max) { request.put(TCA_NETEM_RATE64, bytes) }
                request.put(TCA_NETEM_RATE, structure: option)
            }
        }
    }

    private static func fill(_ request: NetlinkRequest, _ bucket: TokenBucket) {
        let bytes = bucket.rate.bitsPerSecond / 8
        var options = tc_tbf_qopt()
        options.rate.rate = UInt32(clamping: bytes)
        // TC_LINKLAYER_ETHERNET: the kernel needs no rate table then.
        options.rate.linklayer = 1
        options.limit = UInt32(clamping: bucket.limit)
        request.nest(TCA_OPTIONS) {
            request.put(TCA_TBF_PARMS, structure: options)
            request.put(TCA_TBF_BURST, UInt32(clamping: bucket.burst))
            if bytes > Int64(UInt32.max) { request.put(TCA_TBF_RATE64, bytes) }
        }
    }

    /// `tc qdisc delete dev NAME root`
    package func removeRootQueue(on name: String) throws(NetlinkError) {
        var header = tcmsg()
        header.tcm_ifindex = try interface(named: name).rawValue
        header.tcm_parent = Self.rootParent
        try socket.execute(
            NetlinkRequest(RTM_DELQDISC, header), "tc qdisc delete dev \(name) root")
    }

    /// `tc -s qdisc show`
    package func queues() throws(NetlinkError) -> [QueueStatistics] {
        try dump(RTM_GETQDISC, tcmsg(), "tc -s qdisc show") {
            $0.type == UInt16(RTM_NEWQDISC) ? QueueStatistics($0) : nil
        }
    }
}

extension QueueStatistics {
    init?(_ message: NetlinkMessage) {
        guard let header = message.header(tcmsg.self) else { return nil }
        self.init(
            interface: InterfaceID(header.tcm_ifindex), kind: "",
            isRoot: header.tcm_parent == 0xffff_ffff, bytes: 0, packets: 0, drops: 0,
            overlimits: 0, queueLength: 0, backlog: 0)
        for attribute in message.attributes(after: MemoryLayout<tcmsg>.size) {
            switch Int(attribute.type) {
            case TCA_KIND: kind = attribute.string
            case TCA_STATS2: read(attribute.nested)
            default: break
            }
        }
    }

    private mutating func read(_ attributes: AttributeReader) {
        for part in attributes {
            func word(_ index: Int) -> UInt64 {
                part.value.count >= 4 * index + 4
                    ? UInt64(
                        part.value.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
                    : 0
            }
            switch Int(part.type) {
            case 1:
                // TCA_STATS_BASIC, struct gnet_stats_basic: 64 bits of bytes, 32 of packets.
                bytes = word(0) | word(1) << 32
                packets = word(2)
            case 3:
                // TCA_STATS_QUEUE, struct gnet_stats_queue: qlen, backlog, drops, requeues, overlimits.
                queueLength = word(0)
                backlog = word(1)
                drops = word(2)
                overlimits = word(4)
            default: break
            }
        }
    }
}
