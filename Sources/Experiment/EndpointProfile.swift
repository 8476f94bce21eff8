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
        return configuration
    }

    var server: StackConfiguration {
        var configuration = common
        configuration.connection.policy = .acceptOnly
        configuration.connection.announcedAddresses = topology.announcedAddresses
        return configuration
    }

    private var common: StackConfiguration {
        var configuration = StackConfiguration()
        configuration.connection.scheduler =
            SchedulerKind(rawValue: scenario.scheduler.rawValue) ?? .lowestRTT
        configuration.connection.tcp.congestionControl =
            CongestionControlKind(rawValue: scenario.congestionControl.rawValue) ?? .cubic
        configuration.connection.fastJoin.variant =
            MPTCP.JoinVariant(rawValue: scenario.join.rawValue) ?? .standard
        configuration.connection.logsDetails = scenario.logsDetails
        return configuration
    }
}
