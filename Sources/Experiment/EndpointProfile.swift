internal import CongestionControl
internal import HostStack
internal import MPTCP
internal import Scenario
internal import TCP
internal import Topology

/// What both ends of a scenario are told, in either world.
struct EndpointProfile {
    /// The port of the first run's server.
    static let serverPort: UInt16 = 5_001

    private let scenario: HandoverScenario
    private let topology: Topology

    init(_ scenario: HandoverScenario, _ topology: Topology) {
        self.scenario = scenario
        self.topology = topology
    }

    var client: StackConfiguration {
        var configuration = common
        configuration.connection.policy =
            SwitchPolicy(rawValue: scenario.policy.rawValue) ?? .backup
        configuration.connection.scheduler = Self.scheduler(scenario.scheduler)
        if scenario.oracle == .on {
            configuration.connection.oracle = OracleThresholds(scenario.switching)
        }
        return configuration
    }

    var server: StackConfiguration {
        var configuration = common
        configuration.connection.policy = .acceptOnly
        configuration.connection.scheduler = Self.scheduler(scenario.serverScheduler)
        configuration.connection.announcedAddresses = topology.announcedAddresses
        return configuration
    }

    private var common: StackConfiguration {
        var configuration = StackConfiguration()
        configuration.connection.signalsIdle = scenario.idleSignal == .on
        configuration.connection.repeatsRemovals = scenario.switching.removalRepeat == .on
        configuration.connection.tcp.congestionControl =
            CongestionControlKind(rawValue: scenario.congestionControl.rawValue) ?? .cubic
        configuration.connection.fastJoin.variant =
            MPTCP.JoinVariant(rawValue: scenario.join.rawValue) ?? .standard
        configuration.connection.fastJoin.profile =
            FastJoinProfile(rawValue: scenario.fastJoinProfile.rawValue) ?? .compat
        configuration.connection.fastJoin.provisional =
            ProvisionalPolicy(rawValue: scenario.provisional.rawValue) ?? .limited
        configuration.connection.logsDetails = scenario.logsDetails
        return configuration
    }

    private static func scheduler(_ name: SchedulerName) -> SchedulerKind {
        SchedulerKind(rawValue: name.rawValue) ?? .lowestRTT
    }
}

extension OracleThresholds {
    fileprivate init(_ options: SwitchOptions) {
        self.init()
        period = options.oraclePeriod
        loss = options.oracleLoss / 100
        retransmission = options.oracleRetransmission / 100
        timeout = options.oracleTimeout
    }
}
