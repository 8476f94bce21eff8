package import Middlebox
package import NetworkPrimitives
internal import Yams

/// A box of a path as its file describes it.
package struct PlannedMiddlebox: Hashable, Sendable {
    /// A field and its value, as they stand in the file.
    package struct Setting: Hashable, Sendable {
        package var key: String
        package var value: String

        package init(_ key: String, _ value: String) {
            self.key = key
            self.value = value
        }
    }

    typealias Construction = @Sendable (SeededGenerator) -> any Middlebox

    /// Everything that the box was told.
    package let settings: [Setting]
    private let construction: Construction

    /// Reads settings that went to another process.
    package init(settings: [Setting]) throws(TopologyError) {
        let pairs = settings.map { (Node($0.key), Node($0.value)) }
        try self.init(FieldReader(Node(pairs), file: "", prefix: ""))
    }

    /// - Parameter mtu: Of the path; `nil` where it was checked before.
    init(_ fields: consuming FieldReader, mtu: Int? = nil) throws(TopologyError) {
        var fields = fields
        construction = try MiddleboxReader.read(&fields, mtu: mtu)
        try fields.finish()
        var settings = fields.settings.map { Setting($0.key, $0.value) }
        // Whoever reads the settings in another process does not know the path.
        let isCoalescer = settings.contains(Setting("box", "coalesce"))
        if let mtu, isCoalescer, !settings.contains(where: { $0.key == "limit" }) {
            let limit = MiddleboxReader.usualLimit(mtu: mtu)
            if limit != MiddleboxReader.usualLimit() {
                settings.append(Setting("limit", String(limit)))
            }
        }
        self.settings = settings
    }

    /// `box options, segments syn, direction up`
    package var summary: String {
        settings.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }

    /// A box whose chances follow from the generator.
    package func box(_ generator: SeededGenerator) -> any Middlebox { construction(generator) }

    package static func == (first: Self, second: Self) -> Bool {
        first.settings == second.settings
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(settings) }
}

extension MiddleboxChain {
    /// The boxes of a path; each draws its chances from a generator of its own.
    package init(_ plan: [PlannedMiddlebox], _ generator: inout SeededGenerator) {
        self.init(plan.map { $0.box(generator.split()) })
    }
}

/// Reads one entry of `middleboxes`.
enum MiddleboxReader {
    private enum Kind: String, CaseIterable {
        case nat
        case block
        case reset
        case options
        case mirrorOptions = "mirror-options"
        case sequence
        case window
        case mss
        case timestamps
        case handshakeText = "handshake-text"
        case split
        case coalesce
        case holes
        case acknowledge
        case replace
        case prepend
        case firstCopy = "first-copy"
    }

    /// Octets that packets are merged to where nothing is said.
    static func usualLimit(mtu: Int = 1_500) -> Int { min(1_500, mtu) }

    static func read(
        _ fields: inout FieldReader, mtu: Int?
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        guard let kind = try fields.choice("box", Kind.self) else {
            throw fields.missing("box")
        }
        switch kind {
        case .nat: return try translator(&fields)
        case .block: return try firewall(&fields)
        case .reset: return try injector(&fields)
        case .options: return try optionFilter(&fields)
        case .mirrorOptions: return { _ in OptionMirror() }
        case .sequence:
            let fixesSACK = try fields.flag("sack") ?? true
            return { SequenceRewriter(fixesSACK: fixesSACK, generator: $0) }
        case .window, .mss, .timestamps, .handshakeText: return try rewriter(kind, &fields)
        case .split, .coalesce: return try resegmenter(kind, &fields, mtu: mtu)
        case .holes:
            let policy = try fields.choice("acks", HoleBlocker.ACKPolicy.self) ?? .pass
            return { _ in HoleBlocker(unseenACKs: policy) }
        case .acknowledge: return try proxy(&fields)
        case .replace, .prepend: return try textRewriter(kind, &fields)
        case .firstCopy: return { _ in RetransmissionNormalizer() }
        }
    }

    // MARK: Which packets

    private enum Ways: String, CaseIterable {
        case up, down, both

        var directions: Set<TransitDirection> {
            switch self {
            case .up: [.up]
            case .down: [.down]
            case .both: [.up, .down]
            }
        }
    }

    private static func selection(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> @Sendable (SeededGenerator) -> Selection {
        let directions = (try fields.choice("direction", Ways.self) ?? .both).directions
        let skipped = try fields.integer("after", in: 0...1_000_000_000) ?? 0
        let share = try fields.share("share") ?? 1
        return { Selection(directions, after: skipped, share: share, generator: $0) }
    }

    private static func direction(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> TransitDirection {
        switch try fields.choice("direction", Ways.self) {
        case .up?: return .up
        case .down?: return .down
        case .both?: throw fields.error("direction", "must be 'up' or 'down'")
        case nil: throw fields.missing("direction")
        }
    }

    // MARK: Each kind

    private static func translator(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        let forgetting = AddressTranslator.Forgetting(
            idleTime: try fields.time("idle", in: .milliseconds(1)...Duration.seconds(86_400)),
            packets: try fields.integer("forget-after", in: 1...1_000_000_000))
        let refuses = try fields.flag("refuse") ?? false
        return { _ in AddressTranslator(forgetting: forgetting, refuses: refuses) }
    }

    private static func firewall(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        var rules = Firewall.Rules()
        for word in try fields.words("addresses") ?? [] {
            guard let address = IPAddress(word) else {
                throw fields.error("addresses", "'\(word)' is no IP address")
            }
            rules.addresses.insert(address)
        }
        for word in try fields.words("ports") ?? [] {
            guard let port = UInt16(word) else {
                throw fields.error("ports", "'\(word)' is no port")
            }
            rules.ports.insert(port)
        }
        rules.blocksInboundSYN = try fields.flag("inbound-syn") ?? false
        rules.requiresSYN = try fields.flag("without-syn") ?? false
        rules.blocksAll = try fields.flag("everything") ?? false
        let blocksSome =
            !rules.addresses.isEmpty || !rules.ports.isEmpty || rules.blocksInboundSYN
            || rules.requiresSYN || rules.blocksAll
        guard blocksSome else {
            throw fields.error(
                "box",
                "blocks nothing: say 'addresses', 'ports', 'inbound-syn', 'without-syn' "
                    + "or 'everything'")
        }
        let refuses = try fields.flag("refuse") ?? false
        let selection = try selection(&fields)
        let fixed = rules
        return { Firewall(fixed, refuses: refuses, selection: selection($0)) }
    }

    private static func injector(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        let aim = try fields.choice("aim", ResetInjector.Aim.self) ?? .exact
        let limit = try fields.integer("times", in: 1...1_000_000_000) ?? 1
        let selection = try selection(&fields)
        return { ResetInjector(aim, selection: selection($0), limit: limit) }
    }

    private static func optionFilter(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        let options = try fields.choices("options", OptionName.self) ?? [.mptcp]
        let roles = try fields.choices("segments", SegmentRole.self) ?? SegmentRole.allCases
        let action = try fields.choice("action", OptionFilter.Action.self) ?? .strip
        let selection = try selection(&fields)
        return {
            OptionFilter(Set(options), on: Set(roles), action, selection: selection($0))
        }
    }

    private static func rewriter(
        _ kind: Kind, _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        func required(
            _ key: String, in bounds: ClosedRange<Int>, _ fields: inout FieldReader
        ) throws(TopologyError) -> Int {
            guard let value = try fields.integer(key, in: bounds) else {
                throw fields.missing(key)
            }
            return value
        }
        switch kind {
        case .window:
            let limit = UInt16(try required("limit", in: 0...65_535, &fields))
            let selection = try selection(&fields)
            return { WindowRewriter(limit: limit, selection: selection($0)) }
        case .mss:
            let limit = UInt16(try required("limit", in: 88...65_535, &fields))
            return { _ in MSSClamp(limit: limit) }
        case .timestamps:
            let step = UInt32(try required("step", in: 1...0xffff_ffff, &fields))
            let selection = try selection(&fields)
            return { TimestampRewriter(step: step, selection: selection($0)) }
        default:
            guard let action = try fields.choice("action", HandshakeTextFilter.Action.self) else {
                throw fields.missing("action")
            }
            return { _ in HandshakeTextFilter(action) }
        }
    }

    private static func resegmenter(
        _ kind: Kind, _ fields: inout FieldReader, mtu: Int?
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        if kind == .split {
            guard let size = try fields.integer("size", in: 1...65_535) else {
                throw fields.missing("size")
            }
            let placement = try fields.choice("options", OptionPlacement.self) ?? .all
            let selection = try selection(&fields)
            return { Splitter(size: size, options: placement, selection: selection($0)) }
        }
        let holdTime =
            try fields.time("hold", in: .microseconds(1)...Duration.seconds(10)) ?? .milliseconds(1)
        // What is longer than the path's MTU would not leave.
        let limit =
            try fields.integer("limit", in: 100...(mtu ?? 9_000)) ?? usualLimit(mtu: mtu ?? 1_500)
        let onlyEqual = try fields.flag("only-equal-options") ?? false
        let selection = try selection(&fields)
        return {
            Coalescer(
                limit: limit, holdTime: holdTime, onlyEqual: onlyEqual, selection: selection($0))
        }
    }

    private static func proxy(
        _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        let direction = try direction(&fields)
        let delay = try fields.time("delay", in: .zero...Duration.seconds(60)) ?? .zero
        let share = try fields.share("loss") ?? 0
        return { AcknowledgingProxy(direction, delay: delay, lostShare: share, generator: $0) }
    }

    private static func textRewriter(
        _ kind: Kind, _ fields: inout FieldReader
    ) throws(TopologyError) -> PlannedMiddlebox.Construction {
        let direction = try direction(&fields)
        let limit = try fields.integer("times", in: 1...1_000_000_000) ?? .max
        let change: PayloadRewriter.Change
        if kind == .replace {
            let word = [UInt8](try fields.requiredText("find").utf8)
            change = .replace(word, with: [UInt8](try fields.requiredText("with").utf8))
        } else {
            change = .prepend([UInt8](try fields.requiredText("text").utf8))
        }
        return { _ in PayloadRewriter(change, direction, limit: limit) }
    }
}

extension FieldReader {
    /// One word out of those that a type has.
    package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _: Choice.Type
    ) throws(TopologyError) -> Choice? {
        guard let text = try text(key) else { return nil }
        return try pick(text, key)
    }

    /// Words out of those that a type has.
    package mutating func choices<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _: Choice.Type
    ) throws(TopologyError) -> [Choice]? {
        guard let words = try words(key) else { return nil }
        var choices: [Choice] = []
        for word in words { choices.append(try pick(word, key)) }
        return choices
    }

    private func pick<Choice: RawRepresentable<String> & CaseIterable>(
        _ word: String, _ key: String
    ) throws(TopologyError) -> Choice {
        if let choice = Choice(rawValue: word) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        throw error(
            key, "'\(word)' is none of \(names.joined(separator: ", "))",
            suggestion: Spelling.closest(to: word, among: names))
    }
}
