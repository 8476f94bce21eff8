package import MPTCP

extension HostStack {
    /// What does not hold although it always must (mptcp-behaviour, 21); for tests and fuzzers.
    package var invariantViolations: [String] {
        var problems: [String] = []
        for (number, slot) in state.slots.enumerated() {
            guard let connection = slot.connection else { continue }
            problems += connection.invariantViolations
            if !connection.isPlain, state.tokens[connection.localToken] != number {
                problems.append("a token leads elsewhere")
            }
        }
        let live = state.slots.count { $0.connection?.isPlain == false }
        if state.tokens.count != live { problems.append("tokens of dead connections") }
        let queued = state.slots.reduce(0) { $0 + ($1.connection?.queuedBytes ?? 0) }
        if state.queuedBytes != queued { problems.append("queued octets were miscounted") }
        if state.halfOpen < 0 { problems.append("half-open count below zero") }
        return problems
    }

    /// How far a connection is.
    package func progress(_ handle: ConnectionHandle) -> Connection.Progress? {
        state.index(handle).flatMap { state.slots[$0].connection?.progress }
    }
}
