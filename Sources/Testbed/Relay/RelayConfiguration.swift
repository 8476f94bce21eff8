internal import LinkModel
internal import NetworkPrimitives
internal import Scenario
internal import Topology

/// What a relay process is told first: a JSON object on one line.
struct RelayConfiguration: Hashable {
    struct Link: Hashable {
        var clientEnd: String
        var routerEnd: String
        var mtu: Int
        var up: LinkProfile
        var down: LinkProfile
        var promotion: RadioPromotion?
        var middleboxes: [PlannedMiddlebox]
    }

    var seed: UInt64
    var links: [Link]

    init(_ links: [PlannedLink], seed: UInt64) {
        self.seed = seed
        self.links = links.map {
            Link(
                clientEnd: $0.clientEnd, routerEnd: $0.routerEnd, mtu: $0.path.mtu,
                up: $0.path.up, down: $0.path.down, promotion: $0.path.promotion,
                middleboxes: $0.path.middleboxes)
        }
    }

    var json: JSONValue {
        .members([
            "seed": .string(String(seed)),
            "links": .array(
                links.map { link in
                    .members([
                        "client_end": .string(link.clientEnd),
                        "router_end": .string(link.routerEnd), "mtu": .integer(Int64(link.mtu)),
                        "up": link.up.json, "down": link.down.json,
                        "promotion": link.promotion?.json ?? .null,
                        "middleboxes": .array(link.middleboxes.map(\.json)),
                    ])
                }),
        ])
    }

    /// `nil` when something is missing or of the wrong kind.
    init?(_ json: JSONValue) {
        guard let seed = json["seed"]?.asString.flatMap({ UInt64($0) }),
            case .array(let entries)? = json["links"]
        else { return nil }
        self.seed = seed
        links = []
        for entry in entries {
            guard let clientEnd = entry["client_end"]?.asString,
                let routerEnd = entry["router_end"]?.asString,
                let mtu = entry["mtu"]?.asInteger,
                let up = entry["up"].flatMap({ LinkProfile($0) }),
                let down = entry["down"].flatMap({ LinkProfile($0) }),
                let promotion = entry["promotion"],
                case .array(let boxes)? = entry["middleboxes"]
            else { return nil }
            let radio = RadioPromotion(promotion)
            guard promotion == .null || radio != nil else { return nil }
            let middleboxes = boxes.compactMap { PlannedMiddlebox($0) }
            guard middleboxes.count == boxes.count else { return nil }
            links.append(
                Link(
                    clientEnd: clientEnd, routerEnd: routerEnd, mtu: Int(mtu), up: up,
                    down: down, promotion: radio, middleboxes: middleboxes))
        }
    }
}

extension PlannedMiddlebox {
    /// The settings as they stand in the file, in order.
    fileprivate var json: JSONValue {
        .array(settings.map { .array([.string($0.key), .string($0.value)]) })
    }

    fileprivate init?(_ json: JSONValue) {
        guard case .array(let entries) = json else { return nil }
        var settings: [Setting] = []
        for entry in entries {
            guard case .array(let pair) = entry, pair.count == 2, let key = pair[0].asString,
                let value = pair[1].asString
            else { return nil }
            settings.append(Setting(key, value))
        }
        guard let box = try? PlannedMiddlebox(settings: settings) else { return nil }
        self = box
    }
}

extension RadioPromotion {
    fileprivate var json: JSONValue {
        .members([
            "delay_ns": .integer(delay.wholeNanoseconds),
            "tail_ns": .integer(tail.wholeNanoseconds),
        ])
    }

    fileprivate init?(_ json: JSONValue) {
        guard let delay = json["delay_ns"]?.asInteger, let tail = json["tail_ns"]?.asInteger
        else { return nil }
        self.init(delay: .nanoseconds(delay), tail: .nanoseconds(tail))
    }
}

extension LinkProfile {
    /// Times in nanoseconds, shares as numbers.
    var json: JSONValue {
        let queueText: JSONValue.Member =
            switch queue {
            case .packets(let count): .init("queue_packets", .integer(Int64(count)))
            case .bytes(let count): .init("queue_bytes", .integer(Int64(count)))
            case .time(let time): .init("queue_ns", .integer(time.wholeNanoseconds))
            }
        let lossValue: JSONValue =
            switch loss {
            case .none: .null
            case .bernoulli(let share): .array([.number(share)])
            case .gilbertElliott(let goodToBad, let badToGood, let lossInGood, let lossInBad):
                .array([goodToBad, badToGood, lossInGood, lossInBad].map { .number($0) })
            }
        return .object([
            .init("rate", rate.map { .integer($0.bitsPerSecond) } ?? .null),
            .init("delay_ns", .integer(oneWayDelay.wholeNanoseconds)),
            .init("jitter_ns", .integer(jitter.wholeNanoseconds)),
            .init("reorder", .bool(reorders)), .init("loss", lossValue), queueText,
            .init("duplication", .number(duplication)),
            .init("corruption", .number(corruption)),
        ])
    }

    init?(_ json: JSONValue) {
        guard let delay = json["delay_ns"]?.asInteger, let jitter = json["jitter_ns"]?.asInteger,
            let reorders = json["reorder"]?.asBool,
            let duplication = json["duplication"]?.asDouble,
            let corruption = json["corruption"]?.asDouble
        else { return nil }
        self.init(
            rate: json["rate"]?.asInteger.map { BitRate(bitsPerSecond: $0) },
            oneWayDelay: .nanoseconds(delay))
        self.jitter = .nanoseconds(jitter)
        self.reorders = reorders
        self.duplication = duplication
        self.corruption = corruption
        if case .array(let shares)? = json["loss"] {
            let numbers = shares.compactMap(\.asDouble)
            switch numbers.count {
            case 1: loss = .bernoulli(numbers[0])
            case 4:
                loss = .gilbertElliott(
                    goodToBad: numbers[0], badToGood: numbers[1], lossInGood: numbers[2],
                    lossInBad: numbers[3])
            default: return nil
            }
        }
        if let count = json["queue_packets"]?.asInteger {
            queue = .packets(Int(count))
        } else if let count = json["queue_bytes"]?.asInteger {
            queue = .bytes(Int(count))
        } else if let time = json["queue_ns"]?.asInteger {
            queue = .time(.nanoseconds(time))
        } else {
            return nil
        }
    }
}

extension LinkStatistics {
    var json: JSONValue { .members(["up": up.json, "down": down.json]) }

    init?(_ json: JSONValue) {
        guard let up = json["up"].flatMap(Direction.init),
            let down = json["down"].flatMap(Direction.init)
        else { return nil }
        self.init(up: up, down: down)
    }
}

extension LinkStatistics.Direction {
    var json: JSONValue {
        func number(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
        func time(_ value: Duration?) -> JSONValue {
            value.map { .integer($0.wholeNanoseconds) } ?? .null
        }
        return .members([
            "delivered": number(delivered), "queue_drops": number(queueDrops),
            "losses": number(losses), "down_drops": number(downDrops),
            "refused": number(refused), "mean_lateness_ns": time(meanLateness),
            "maximum_lateness_ns": time(maximumLateness),
        ])
    }

    init?(_ json: JSONValue) {
        guard let delivered = json["delivered"]?.asInteger,
            let queueDrops = json["queue_drops"]?.asInteger
        else { return nil }
        self.init()
        self.delivered = Int(delivered)
        self.queueDrops = Int(queueDrops)
        losses = json["losses"]?.asInteger.map { Int($0) }
        downDrops = json["down_drops"]?.asInteger.map { Int($0) }
        refused = json["refused"]?.asInteger.map { Int($0) }
        meanLateness = json["mean_lateness_ns"]?.asInteger.map { .nanoseconds($0) }
        maximumLateness = json["maximum_lateness_ns"]?.asInteger.map { .nanoseconds($0) }
    }
}
