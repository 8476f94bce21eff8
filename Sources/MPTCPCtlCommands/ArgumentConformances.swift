// Public, because the types are: a conformance is as visible as its type.
public import ArgumentParser
public import MPTCP
internal import Scenario
public import TCP

extension SwitchPolicy: ExpressibleByArgument {}
extension SchedulerKind: ExpressibleByArgument {}
extension FastJoinProfile: ExpressibleByArgument {}
extension ProvisionalPolicy: ExpressibleByArgument {}
extension ECNPolicy: ExpressibleByArgument {}
extension VersionPolicy: ExpressibleByArgument {}
extension CongestionControlName: ExpressibleByArgument {}
extension WorkloadKind: ExpressibleByArgument {}
extension Direction: ExpressibleByArgument {}
