internal import NetworkPrimitives
internal import Scenario
internal import Topology

/// The command lines of the endpoints of a run.
struct EndpointArguments {
    private let scenario: HandoverScenario
    private let topology: Topology
    private let port: UInt16

    init(_ scenario: HandoverScenario, _ topology: Topology, port: UInt16) {
        self.scenario = scenario
        self.topology = topology
        self.port = port
    }

    /// `mptcpctl serve` for one connection.
    func server(seed: UInt64) -> [String] {
        var arguments = ["serve", "--connections", "1"]
        if scenario.server == .swift {
            for address in topology.announcedAddresses {
                arguments += ["--announce", address.description]
            }
        }
        return arguments + common(scenario.server, scenario.serverScheduler, seed: seed)
    }

    /// `mptcpctl connect` with the scenario's workload.
    func client(seed: UInt64) -> [String] {
        let workload = scenario.workload(seed: seed)
        var arguments = [
            "connect", topology.serverAddress(path: 0).description,
            "--from", topology.paths[0].clientAddress.description,
            "--workload", workload.kind.rawValue, "--direction", workload.direction.rawValue,
            "--size", String(workload.size),
            "--interval", "\(workload.interval.wholeNanoseconds)ns",
            "--duration", "\(workload.duration.wholeNanoseconds)ns",
        ]
        if workload.background > 0 { arguments += ["--background", String(workload.background)] }
        if scenario.client == .swift {
            arguments += ["--policy", scenario.policy.rawValue] + oracle
        }
        return arguments + common(scenario.client, scenario.scheduler, seed: seed)
    }

    private var oracle: [String] {
        let options = scenario.switching
        var arguments = ["--oracle", scenario.oracle.rawValue]
        if scenario.oracle == .on {
            arguments += [
                "--oracle-period", "\(options.oraclePeriod.wholeNanoseconds)ns",
                "--oracle-loss", "\(options.oracleLoss)",
                "--oracle-retransmission", "\(options.oracleRetransmission)",
                "--oracle-timeout", "\(options.oracleTimeout.wholeNanoseconds)ns",
            ]
        }
        return arguments
    }

    /// The kernel chooses its own keys, and its scheduler is a matter of sysctl.
    private func common(
        _ kind: EndpointKind, _ scheduler: SchedulerName, seed: UInt64
    ) -> [String] {
        var arguments = [
            "--stack", kind.rawValue, "--port", String(port), "--congestion-control",
            scenario.congestionControl.rawValue, "--format", "json", "--control",
        ]
        if kind == .swift {
            arguments += ["--seed", String(seed), "--scheduler", scheduler.rawValue]
            arguments += ["--idle-signal", scenario.idleSignal.rawValue]
            arguments += ["--removal-repeat", scenario.switching.removalRepeat.rawValue]
            arguments += ["--join", scenario.join.rawValue]
            arguments += ["--fast-join-profile", scenario.fastJoinProfile.rawValue]
            arguments += ["--provisional", scenario.provisional.rawValue]
            if scenario.logsDetails { arguments += ["--events", "-"] }
        }
        return arguments
    }
}
