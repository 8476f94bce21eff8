internal import LinkModel
internal import NetworkPrimitives

extension TestbedPlan {
    /// What one would type instead, a line for each command.
    ///
    /// - Parameter namespaces: The name of each host's namespace.
    package func commands(
        namespaces: (TestbedHost) -> String = { "mptcpctl-\($0.rawValue)" }
    ) -> [String] {
        steps.flatMap { $0.commands(namespaces) }
    }
}

extension PlanStep {
    /// The equivalent commands of `ip`, `tc`, `ethtool` and `sysctl`.
    package func commands(_ namespace: (TestbedHost) -> String) -> [String] {
        func ip(_ host: TestbedHost, _ words: String) -> [String] {
            ["ip -n \(namespace(host)) \(words)"]
        }
        func inside(_ host: TestbedHost, _ words: String) -> [String] {
            ["ip netns exec \(namespace(host)) \(words)"]
        }
        switch self {
        case .createNamespace(let host): return ["ip netns add \(namespace(host))"]
        case .setParameter(let host, let name, let value):
            return inside(host, "sysctl -q -w \(name)=\(value)")
        case .createVeth(let interface, let peer):
            return ip(
                interface.host,
                "link add \(interface.name) address \(Self.text(interface.hardwareAddress)) "
                    + "type veth peer name \(peer.name) address "
                    + "\(Self.text(peer.hardwareAddress)) netns \(namespace(peer.host))")
        case .setMTU(let host, let interface, let mtu):
            return ip(host, "link set dev \(interface) mtu \(mtu)")
        case .disableOffloads(let host, let interface):
            return inside(host, "ethtool -K \(interface) tx off sg off tso off gso off gro off")
        case .addAddress(let host, let interface, let address, let length):
            return ip(
                host,
                "address add \(address)/\(length) dev \(interface)"
                    + (address.isV6 ? " nodad" : ""))
        case .setUp(let host, let interface): return ip(host, "link set dev \(interface) up")
        case .addNeighbour(let host, let interface, let address, let hardwareAddress):
            return ip(
                host,
                "neighbour replace \(address) lladdr \(Self.text(hardwareAddress)) "
                    + "dev \(interface) nud permanent")
        case .addRoute(let host, let route): return ip(host, route.command)
        case .addRule(let host, let source, let table, let priority):
            return ip(
                host,
                (source.isV6 ? "-6 " : "")
                    + "rule add from \(source) table \(table) priority \(priority)")
        case .startLinks(let kind, let links):
            return links.flatMap { link in
                switch kind {
                case .netem: link.netemCommands(namespace(.links))
                case .relay: [link.relayComment]
                }
            }
        }
    }

    private static func text(_ octets: [UInt8]) -> String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}

extension PlannedRoute {
    fileprivate var command: String {
        var words = isV6 ? "-6 route add" : "route add"
        if let hop {
            words += " default via \(hop.gateway) dev \(hop.interface)"
        } else {
            words += " unreachable default"
        }
        if metric != 0 { words += " metric \(metric)" }
        return table == 254 ? words : words + " table \(table)"
    }
}

extension PlannedLink {
    fileprivate func netemCommands(_ namespace: String) -> [String] {
        let both = [(clientEnd, routerEnd, path.up), (routerEnd, clientEnd, path.down)]
        return both.flatMap { from, to, profile in
            let stages = NetemParameters.stages(for: profile, mtu: path.mtu)
            let places = stages.count > 1 ? ["root handle 1:", "parent 1:1"] : ["root"]
            return zip(places, stages).map {
                "tc -n \(namespace) qdisc add dev \(to) \($0) netem \($1.arguments)"
            } + [
                "tc -n \(namespace) qdisc add dev \(from) ingress",
                "tc -n \(namespace) filter add dev \(from) ingress protocol all prio 10 "
                    + "matchall action mirred egress redirect dev \(to)",
            ]
        }
    }

    /// No command does the same.
    fileprivate var relayComment: String {
        let radio = path.promotion.map { "; \($0.summary)" } ?? ""
        let boxes = path.middleboxes.map { "; \($0.summary)" }.joined()
        return "# relay \(clientEnd) <-> \(routerEnd): up \(path.up.summary); down "
            + path.down.summary + radio + boxes
    }
}

extension RadioPromotion {
    /// `radio asleep 10000 ms after traffic, awake in 260 ms`
    package var summary: String {
        "radio asleep \(LinkProfile.text(tail)) after traffic, awake in \(LinkProfile.text(delay))"
    }
}

extension LinkProfile {
    /// `50 Mbit/s, 10 ms, queue 40 ms`
    package var summary: String {
        var parts = [rate.map { Self.text($0) } ?? "unlimited", Self.text(oneWayDelay)]
        if jitter > .zero {
            parts.append("jitter \(Self.text(jitter))" + (reorders ? " with reordering" : ""))
        }
        switch loss {
        case .none: break
        case .bernoulli(let share): parts.append("loss \(Self.percent(share))")
        case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
            parts.append(
                "loss \(Self.percent(lossInGood)) or \(Self.percent(lossInBad)), turning bad "
                    + "\(Self.percent(goodToBad)), good \(Self.percent(badToGood))")
        }
        if duplication > 0 { parts.append("duplication \(Self.percent(duplication))") }
        if corruption > 0 { parts.append("corruption \(Self.percent(corruption))") }
        if rate != nil {
            switch queue {
            case .packets(let count): parts.append("queue \(count) packets")
            case .bytes(let count): parts.append("queue \(count) B")
            case .time(let time): parts.append("queue \(Self.text(time))")
            }
        }
        return parts.joined(separator: ", ")
    }

    private static func text(_ rate: BitRate) -> String {
        let bits = Double(rate.bitsPerSecond)
        let units: [(Double, String)] = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")]
        let unit = units.first { bits >= $0.0 } ?? (1, "bit/s")
        return "\(number(bits / unit.0)) \(unit.1)"
    }

    fileprivate static func text(_ time: Duration) -> String { "\(number(time.milliseconds)) ms" }

    private static func percent(_ share: Double) -> String { "\(number(share * 100)) %" }

    /// Up to six decimals.
    private static func number(_ value: Double) -> String {
        let rounded = (value * 1e6).rounded() / 1e6
        return rounded == rounded.rounded() && abs(rounded) < 1e15
            ? String(Int64(rounded)) : String(rounded)
    }
}
