internal import LinkModel
package import LinuxSystem
internal import Middlebox
internal import NetworkPrimitives
internal import PacketDevice
internal import Scenario
internal import Topology

/// The relay process: carries frames over all links of a testbed, in the namespace that it was
/// started in.
///
/// It is told what to do on standard input, a JSON object a line: first a `RelayConfiguration`, then
/// `{"command":"cut","link":0}`, `mend` (same form), `change` (with the profiles `up` and `down` in
/// the form of the configuration besides), `{"command":"begin","seed":"1"}` when a run begins, and
/// `{"command":"statistics"}`. Each is answered by a line on standard output that repeats the command,
/// with `time_ns` of `CLOCK_MONOTONIC`; the first answer is `ready`, with `real_time`: whether it has
/// real-time priority. It ends with its input.
package final class RelayProgram {
    /// Why it ends before its input does.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private let poll: EventPoll
    private let input: OwnedDescriptor
    private let output: OwnedDescriptor
    private var lines = LineSplitter()
    private var links: [RelayLink] = []
    private let isRealTime: Bool

    private static let inputToken = UInt64.max - 1

    /// Serves until `input` ends.
    package static func run(
        input: consuming OwnedDescriptor, output: consuming OwnedDescriptor
    ) throws {
        // Without privileges it is a little less exact.
        let isRealTime = (try? ThreadScheduling.setRealTime(priority: 50)) != nil
        ProgramMemory.populate()
        let program = try RelayProgram(input: input, output: output, isRealTime: isRealTime)
        try program.configure()
        try program.serve()
    }

    private init(
        input: consuming OwnedDescriptor, output: consuming OwnedDescriptor, isRealTime: Bool
    ) throws(SystemError) {
        self.isRealTime = isRealTime
        poll = try EventPoll()
        try input.setNonBlocking()
        self.input = input
        self.output = output
        try poll.add(self.input.rawValue, token: Self.inputToken)
    }

    // MARK: Setting up

    private func configure() throws {
        while true {
            _ = try poll.wait(until: nil)
            guard let text = try nextLine() else {
                if lines.isAtEnd { throw Failure(description: "no configuration") }
                continue
            }
            guard let json = try? JSONValue(parsing: text),
                let configuration = RelayConfiguration(json)
            else { throw Failure(description: "no configuration: \(text)") }
            try open(configuration)
            return try answer(
                "ready", at: RelayClock.now(), [.init("real_time", .bool(isRealTime))])
        }
    }

    private func open(_ configuration: RelayConfiguration) throws {
        var generator = SeededGenerator(seed: configuration.seed)
        for (index, link) in configuration.links.enumerated() {
            let relayLink = try RelayLink(link, &generator)
            try poll.add(relayLink.client.descriptor, token: UInt64(index * 2))
            try poll.add(relayLink.router.descriptor, token: UInt64(index * 2 + 1))
            links.append(relayLink)
        }
    }

    // MARK: Carrying frames

    private func serve() throws {
        while !lines.isAtEnd {
            var due: Instant?
            for link in links {
                for next in [link.up.nextDue, link.down.nextDue, link.middleboxes?.deadline] {
                    guard let next else { continue }
                    due = due.map { min($0, next) } ?? next
                }
            }
            var hasCommands = false
            for ready in try poll.wait(until: due) {
                if ready.token == Self.inputToken {
                    hasCommands = true
                } else {
                    let link = links[Int(ready.token / 2)]
                    try (ready.token % 2 == 0 ? link.up : link.down).receive()
                }
            }
            let now = RelayClock.now()
            for link in links {
                try link.down.release(now)
                // Last: its boxes may have something for the other direction, which is due later.
                try link.up.release(now)
            }
            if hasCommands {
                while let line = try nextLine() { try obey(line) }
            }
        }
    }

    // MARK: Commands

    /// The next complete line that is there; `nil` when there is none yet, or no more.
    private func nextLine() throws -> String? {
        while true {
            if let line = lines.next() { return line }
            if lines.isAtEnd { return nil }
            guard let bytes = try input.readAvailable() else { return nil }
            lines.append(bytes)
        }
    }

    private func obey(_ text: String) throws {
        guard let json = try? JSONValue(parsing: text), let command = json["command"]?.asString
        else { throw Failure(description: "no command: \(text)") }
        switch command {
        case "cut", "mend":
            let link = try link(of: json)
            if command == "mend" {
                // What came while the link was cut must not pass.
                try link.up.receive()
                try link.down.receive()
            }
            link.setUp(command == "mend")
            try answer(command, at: RelayClock.now())
        case "change":
            let link = try link(of: json)
            guard let up = json["up"].flatMap({ LinkProfile($0) }),
                let down = json["down"].flatMap({ LinkProfile($0) })
            else { throw Failure(description: "no profiles: \(text)") }
            // What came before the change is carried as before it.
            try link.up.receive()
            try link.down.receive()
            link.up.setProfile(up)
            link.down.setProfile(down)
            try answer(command, at: RelayClock.now())
        case "begin":
            guard let seed = json["seed"]?.asString.flatMap({ UInt64($0) }) else {
                throw Failure(description: "no seed: \(text)")
            }
            var generator = SeededGenerator(seed: seed)
            for link in links {
                // What came before belongs to what was before.
                try link.up.receive()
                try link.down.receive()
                link.begin(&generator)
            }
            try answer(command, at: RelayClock.now())
        case "statistics":
            try answer(
                command, at: RelayClock.now(),
                [.init("links", .array(links.map(\.statistics.json)))])
        default: throw Failure(description: "unknown command: \(text)")
        }
    }

    private func link(of json: JSONValue) throws -> RelayLink {
        guard let index = json["link"]?.asInteger, links.indices.contains(Int(clamping: index))
        else { throw Failure(description: "no such link: \(json.compact)") }
        return links[Int(clamping: index)]
    }

    private func answer(
        _ command: String, at instant: Instant, _ members: [JSONValue.Member] = []
    ) throws {
        let json = JSONValue.object(
            [.init("reply", .string(command)), .init("time_ns", .integer(instant.nanoseconds))]
                + members)
        try output.write((json.compact + "\n").utf8)
    }
}

/// Both directions of one link and the devices at its ends.
private struct RelayLink {
    let client: PacketSocketDevice
    let router: PacketSocketDevice
    let up: RelayDirection
    let down: RelayDirection
    let radio: RelayRadio?
    let middleboxes: RelayMiddleboxes?
    private let planned: [PlannedMiddlebox]

    init(
        _ link: RelayConfiguration.Link, _ generator: inout SeededGenerator
    ) throws(DeviceError) {
        // A frame for several packets would be lost or delayed as one: it has no room.
        let configuration = PacketSocketDevice.Configuration(
            filter: .all, slotSize: FrameSlots.size(mtu: link.mtu), batchSize: 64, timestamps: true)
        client = try PacketSocketDevice(link.clientEnd, configuration)
        router = try PacketSocketDevice(link.routerEnd, configuration)
        planned = link.middleboxes
        let models = [link.up, link.down].map {
            LinkDirection(profile: $0, generator: generator.split())
        }
        middleboxes =
            link.middleboxes.isEmpty
            ? nil : RelayMiddleboxes(MiddleboxChain(link.middleboxes, &generator))
        radio = link.promotion.map { RelayRadio($0) }
        let delay = link.promotion?.delay ?? .zero
        up = RelayDirection(
            model: models[0], from: client, to: router,
            slots: try FrameSlots(for: link.up, radio: delay, mtu: link.mtu), way: .up,
            radio: radio, middleboxes: middleboxes)
        down = RelayDirection(
            model: models[1], from: router, to: client,
            slots: try FrameSlots(for: link.down, radio: delay, mtu: link.mtu), way: .down,
            radio: radio, middleboxes: middleboxes)
        up.opposite = down
        down.opposite = up
    }

    /// A run begins, in the order in which `init` draws.
    func begin(_ generator: inout SeededGenerator) {
        up.begin(generator.split())
        down.begin(generator.split())
        if !planned.isEmpty { middleboxes?.replace(by: MiddleboxChain(planned, &generator)) }
    }

    func setUp(_ isUp: Bool) {
        up.setUp(isUp)
        down.setUp(isUp)
        if !isUp { radio?.state.sleep() }
    }

    var statistics: LinkStatistics {
        LinkStatistics(up: up.statistics, down: down.statistics)
    }
}

/// The relay's only clock.
enum RelayClock {
    static func now() -> Instant { MonotonicClock.now() }

    /// When a frame came that was fetched at `now`. The kernel notes it by the wall clock; somebody
    /// may have set that meanwhile.
    static func arrival(of frame: ReceivedFrame, now: Instant, wallClock: Int64) -> Instant {
        let age = wallClock - frame.wallClockArrival
        return now - .nanoseconds((0...oldest).contains(age) ? age : 0)
    }

    private static let oldest: Int64 = 1_000_000_000
}
