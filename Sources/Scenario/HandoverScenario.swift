internal import NetworkPrimitives

/// When the new path is there.
package enum HandoverMode: String, Hashable, Sendable, CaseIterable {
    /// It comes up only after the old one broke.
    case breakBeforeMake = "break-before-make"
    /// It is up from the start.
    case makeBeforeBreak = "make-before-break"
}

/// How the old path ends.
package enum BreakKind: String, Hashable, Sendable, CaseIterable {
    /// The interface goes down, and the endpoint is told.
    case linkDown = "link-down"
    /// Everything on the path is dropped, and nobody is told.
    case silent
    /// The path manager is told to give the address up; the path still delivers.
    case addressRemoved = "address-removed"
}

/// What a joining subflow may carry when.
package enum JoinVariant: String, Hashable, Sendable, CaseIterable {
    /// Data after the fourth ACK.
    case standard
    /// Data right behind the third ACK.
    case earlyData = "early-data"
    /// Data in the SYN.
    case synData = "syn-data"
}

/// How the SYN of a join carries data. The names are those of the stack's `FastJoinProfile`.
package enum FastJoinProfileName: String, Hashable, Sendable, CaseIterable {
    /// In an experimental option beside MP_JOIN, after both ends agreed on it.
    case compat
    /// In MP_JOIN's place, as published.
    case multimob
}

/// What is sent on a subflow whose join is not proved yet. The names are those of the stack's
/// `ProvisionalPolicy`.
package enum ProvisionalName: String, Hashable, Sendable, CaseIterable {
    /// Nothing.
    case strict
    /// Three times what was received, and one segment at least.
    case limited
    /// An initial window, as published.
    case multimob
}

/// Whose stack an endpoint is.
package enum EndpointKind: String, Hashable, Sendable, CaseIterable {
    case swift
    case kernel
}

/// Where an experiment runs.
package enum Backend: String, Hashable, Sendable, CaseIterable {
    case auto
    case namespaces = "netns"
    case simulation
}

/// What delays and loses packets.
package enum LinkEmulation: String, Hashable, Sendable, CaseIterable {
    case auto
    case netem
    case relay
    /// The simulation's links. Not an option: what a result says.
    case model
}

/// When which path is used. The names are those of the stack's `SwitchPolicy`.
package enum PathPolicy: String, Hashable, Sendable, CaseIterable {
    case singlePath = "single-path"
    case backup
    case full
    case redundant
    case multimob
    case ios
}

/// The names of the stack's schedulers.
package enum SchedulerName: String, Hashable, Sendable, CaseIterable {
    case lowestRTT = "lowest-rtt"
    case roundRobin = "round-robin"
    case redundant
    case backup
    case blest
    case followClient = "follow-client"
}

/// Congestion control of both ends.
package enum CongestionControlName: String, Hashable, Sendable, CaseIterable {
    case cubic
    case reno
    /// The coupled ones: our stack only.
    case lia
    case olia
    case balia
    /// Kernel endpoints only.
    case bbr

    /// Whether the algorithm couples the subflows of a connection.
    package var isCoupled: Bool { self == .lia || self == .olia || self == .balia }
}

/// Which captures are kept.
package enum CaptureChoice: String, Hashable, Sendable, CaseIterable {
    case all
    case failed
    case none
}

/// What the kernel's path manager is told.
package enum KernelPathManagement: String, Hashable, Sendable, CaseIterable {
    /// Nothing.
    case asIs = "as-is"
    /// At `t0` the endpoint of the old path is deleted.
    case endpointDelete = "endpoint-delete"
}

/// A handover experiment: everything `mptcpctl handover` can be told about what happens.
package struct HandoverScenario: Hashable, Sendable {
    /// Name or path of the topology.
    package var testbed = "wifi-lte"
    package var backend = Backend.auto
    package var linkEmulation = LinkEmulation.auto
    package var mode = HandoverMode.breakBeforeMake
    package var breakKind = BreakKind.linkDown
    package var join = JoinVariant.standard
    /// Of both ends; with `syn-data` only.
    package var fastJoinProfile = FastJoinProfileName.compat
    /// Of both ends; with `syn-data` only.
    package var provisional = ProvisionalName.limited
    package var client = EndpointKind.swift
    package var server = EndpointKind.swift
    package var workloadKind = WorkloadKind.bulk
    package var direction = Direction.upload
    /// `--size` and `--interval`; `nil` is the default of the workload.
    package var size: Int?
    package var interval: Duration?
    /// `--background`: octets a second beside an interactive workload.
    package var background = 0
    /// `--policy`; `nil` follows from the mode.
    package var requestedPolicy: PathPolicy?
    /// `--scheduler`, of both ends; `nil` follows from the policy.
    package var requestedScheduler: SchedulerName?
    package var switching = SwitchOptions()
    package var congestionControl = CongestionControlName.cubic
    package var runs = 5
    package var seed: UInt64 = 1
    /// Start of the workload to `t0`.
    package var breakAt = Duration.milliseconds(1_500)
    /// `t0` to the new path coming up (break-before-make).
    package var makeAfter = Duration.milliseconds(200)
    /// Length of the workload.
    package var duration = Duration.seconds(4)
    /// The longest that a run may go on after its workload, in either world: the time that a connection
    /// may be without a path, and some more to end.
    package static let patience = Duration.seconds(70)
    /// No break: the noise floor.
    package var isNull = false
    package var captures = CaptureChoice.all
    /// `--snaplen`; `nil` is the default of the workload.
    package var requestedSnapLength: Int?
    /// Whether our stacks log every state, mapping and window into `events.jsonl`.
    package var logsDetails = false
    package var kernelPathManagement = KernelPathManagement.asIs
    /// What happens to links besides the break and the make, in the order of time.
    package var linkChanges: [LinkChange] = []

    package init() {}
}

// MARK: - What follows from the options

extension HandoverScenario {
    /// Octets of each packet that captures keep; 0 is all.
    package var snapLength: Int { requestedSnapLength ?? (workloadKind == .bulk ? 200 : 0) }

    /// The workload of the run with this seed.
    package func workload(seed: UInt64) -> Workload {
        Workload(
            workloadKind, direction, size: size, interval: interval, duration: duration, seed: seed,
            background: background)
    }

    /// The seed of run `index`, which counts from 1. 48 bits, so that no reader of JSON rounds it.
    package func runSeed(_ index: Int) -> UInt64 {
        var generator = SeededGenerator(seed: seed)
        var value = generator.next()
        for _ in 1..<max(index, 1) { value = generator.next() }
        return value >> 16
    }

    /// Whether something tells the client at `t0` that the old path is gone (whether its stack
    /// listens is another matter: the kernel's does not).
    package var isClientToldOfBreak: Bool { breakKind != .silent || toldByPathManager }

    private var toldByPathManager: Bool {
        client == .kernel && kernelPathManagement == .endpointDelete
    }
}

// MARK: - Validation

/// An option, or two that do not go together, and what to do about it.
package struct ScenarioProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The command line option: `--duration`.
    package var option: String
    package var reason: String

    package init(_ option: String, _ reason: String) {
        self.option = option
        self.reason = reason
    }

    package var description: String { "\(option): \(reason)" }
}

extension HandoverScenario {
    /// Time after the last event in which a handover can be seen at all.
    package static let leastRest = Duration.milliseconds(500)
    /// More runs than anybody waits for.
    package static let mostRuns = 1_000_000
    /// Seeds lie below: a double holds every integer up to here.
    package static let seedBound: UInt64 = 1 << 53
    /// The variant that the ends can agree on: the kernel knows the standard join only.
    package var agreedJoin: JoinVariant { server == .swift ? join : .standard }

    /// Whether a join is refused before it is agreed on: the kernel answers the SYN of the published
    /// Fast Join, which has no MP_JOIN, like that of a connection of its own.
    package var isJoinRefusedFirst: Bool {
        server == .kernel && join == .synData && fastJoinProfile == .multimob
    }

    /// Everything that is wrong with the options, in their order; empty if the scenario can run.
    package var problems: [ScenarioProblem] {
        timingProblems + linkChangeProblems + workloadProblems + endpointProblems + switchProblems
            + captureProblems
    }

    /// Throws the first problem.
    package func validate() throws(ScenarioProblem) {
        if let problem = problems.first { throw problem }
    }

    private var timingProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        if runs < 1 { result.append(.init("--runs", "at least 1 run is needed")) }
        if runs > Self.mostRuns {
            result.append(.init("--runs", "more than \(Self.mostRuns) runs are too many"))
        }
        if seed >= Self.seedBound {
            result.append(
                .init("--seed", "must be below 2^53, so that every reader of JSON keeps it whole"))
        }
        if breakAt <= .zero { result.append(.init("--break-at", "must be after the start")) }
        if makeAfter < .zero {
            result.append(
                .init(
                    "--make-after",
                    "must not be negative; use --mode make-before-break for a path that is up before"
                ))
        }
        let lastEvent = breakAt + (mode == .breakBeforeMake ? makeAfter : .zero)
        if duration <= .zero {
            result.append(.init("--duration", "must be positive"))
        } else if duration > Workload.longestTime {
            result.append(.init("--duration", "must not be longer than a day"))
        } else if !isNull, duration < lastEvent + Self.leastRest {
            let least = (lastEvent + Self.leastRest).milliseconds
            result.append(
                .init(
                    "--duration",
                    "\(Int(duration.milliseconds)) ms ends too early: the last event comes at "
                        + "\(Int(lastEvent.milliseconds)) ms; take at least \(Int(least)) ms"))
        }
        return result
    }

    private var workloadProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        if let size, size <= 0 { result.append(.init("--size", "must be positive")) }
        let workload = workload(seed: seed)
        if let problem = workload.backgroundProblem {
            result.append(.init("--background", problem))
        } else if size.map({ $0 > 0 }) ?? true, let problem = workload.problem {
            result.append(.init(interval == nil ? "--size" : "--interval", problem))
        }
        if workloadKind == .bulk, interval != nil {
            result.append(.init("--interval", "a bulk transfer has no interval"))
        }
        if workload.isPeriodic, !isNull, workload.interval > breakAt {
            result.append(
                .init(
                    "--interval", "must be shorter than --break-at, which is locked to the records")
            )
        }
        return result
    }

    private var endpointProblems: [ScenarioProblem] {
        var result: [ScenarioProblem] = []
        let hasKernel = client == .kernel || server == .kernel
        if backend == .simulation, hasKernel {
            let option = client == .kernel ? "--client" : "--server"
            result.append(
                .init(
                    option, "the kernel's stack does not run in a simulation; use --backend netns"))
        }
        if backend == .simulation, linkEmulation != .auto, linkEmulation != .model {
            result.append(.init("--link-emulation", "a simulation has its own links"))
        }
        if backend != .simulation, linkEmulation == .model {
            result.append(
                .init(
                    "--link-emulation",
                    "'model' is what a simulation has; use netem or relay, or --backend simulation")
            )
        }
        if join != .standard, client == .kernel {
            result.append(
                .init("--join", "it is the client that joins, and the kernel knows 'standard' only")
            )
        }
        if fastJoinProfile != .compat, join != .synData {
            result.append(
                .init(
                    "--fast-join-profile",
                    "only a join whose SYN carries data has one: --join syn-data"))
        }
        if fastJoinProfile == .multimob, provisional != .limited {
            result.append(
                .init(
                    "--provisional",
                    "--fast-join-profile multimob sends an initial window in any case"))
        }
        if provisional != .limited, agreedJoin != .synData {
            result.append(
                .init(
                    "--provisional", "only a join whose SYN carries data needs it: --join syn-data")
            )
        }
        if congestionControl == .bbr, client != .kernel || server != .kernel {
            result.append(
                .init("--congestion-control", "'bbr' needs --client kernel and --server kernel"))
        }
        if congestionControl.isCoupled, hasKernel {
            result.append(
                .init(
                    "--congestion-control",
                    "the kernel couples no subflows: '\(congestionControl.rawValue)' needs "
                        + "--client swift and --server swift"))
        }
        if kernelPathManagement != .asIs, client != .kernel {
            result.append(
                .init(
                    "--kernel-pm",
                    "it is the client's path manager that is told; use --client kernel"))
        }
        return result
    }

    private var captureProblems: [ScenarioProblem] {
        guard let length = requestedSnapLength, length != 0, length < Self.leastSnapLength else {
            return []
        }
        return [
            .init(
                "--snaplen",
                "headers with all options need \(Self.leastSnapLength) octets; 0 keeps whole packets"
            )
        ]
    }

    /// Ethernet with a VLAN tag, IPv6, TCP with 40 octets of options.
    package static let leastSnapLength = 128
}
