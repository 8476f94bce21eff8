internal import ArgumentParser
internal import LinkModel
internal import LinuxSystem
internal import NetworkPrimitives
internal import Scenario
internal import Testbed
internal import Topology

/// `mptcpctl testbed show`
struct TestbedShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a testbed: its paths, and its state when it is up.")

    @Argument(help: "Name of a testbed, or path of a testbed file.")
    var testbed = "wifi-lte"

    @Option(help: "Format of the output.")
    var format = OutputFormat.text

    func run() throws {
        let keeper = TestbedKeeper.all().first { $0.isMeant(by: testbed) }
        // What stands may come from another file than the one here.
        let topology = try TestbedFile.load(keeper?.testbed ?? testbed)
        let problems: [String]
        do {
            problems = try keeper?.verify(topology) ?? []
        } catch {
            throw CommandFailure.environment("\(error)")
        }
        switch format {
        case .text: Terminal.output(text(topology, keeper, problems))
        case .json: Terminal.output(json(topology, keeper, problems).pretty)
        }
    }

    private func text(
        _ topology: Topology, _ keeper: TestbedKeeper?, _ problems: [String]
    ) -> String {
        var lines = ["\(topology.name): \(topology.description)"]
        for path in topology.paths {
            lines.append(
                "  \(path.name): client \(path.interface) \(path.clientAddress)/\(path.prefixLength)"
                    + " -- router \(path.interface) \(path.routerAddress), MTU \(path.mtu)")
            if path.up == path.down {
                lines.append("    each way: \(path.up.summary)")
            } else {
                lines.append("    up:   \(path.up.summary)")
                lines.append("    down: \(path.down.summary)")
            }
            if let radio = path.promotion { lines.append("    \(radio.summary)") }
            lines += path.middleboxes.map { "    \($0.summary)" }
        }
        let server = topology.server
        for subnet in server.subnets {
            lines.append(
                "  server \(server.interface) \(subnet.address)/\(subnet.prefixLength) -- router "
                    + "\(server.routerInterface) \(subnet.routerAddress), MTU \(server.mtu)")
        }
        guard let keeper else { return (lines + ["down"]).joined(separator: "\n") }
        lines.append(
            "up: \(keeper.emulation.rawValue), kept by process \(keeper.process.processID)")
        lines += TestbedHost.allCases.map { "  \($0.rawValue): \(keeper.name.namespace($0))" }
        lines += problems.map { "  differs from the plan: \($0)" }
        return lines.joined(separator: "\n")
    }

    private func json(
        _ topology: Topology, _ keeper: TestbedKeeper?, _ problems: [String]
    ) -> JSONValue {
        .members([
            "name": .string(topology.name), "description": .string(topology.description),
            "paths": .array(topology.paths.map(\.json)),
            "server": topology.server.json, "up": keeper?.json ?? .null,
            "differences": .array(problems.map { .string($0) }),
        ])
    }
}

extension ServerLink {
    fileprivate var json: JSONValue {
        .members([
            "interface": .string(interface), "address": .string(address.description),
            "router": .string(routerAddress.description),
            "second_address": second.map { .string($0.address.description) } ?? .null,
            "second_router": second.map { .string($0.routerAddress.description) } ?? .null,
        ])
    }
}

extension Path {
    fileprivate var json: JSONValue {
        .members([
            "name": .string(name), "interface": .string(interface),
            "client": .string("\(clientAddress)/\(prefixLength)"),
            "router": .string(routerAddress.description), "mtu": .integer(Int64(mtu)),
            "rtt_ms": JSONValue(rounding: roundTripTime.milliseconds),
            "up": .string(up.summary), "down": .string(down.summary),
            "promotion": promotion.map { .string($0.summary) } ?? .null,
            "middleboxes": .array(middleboxes.map { .string($0.summary) }),
        ])
    }
}
