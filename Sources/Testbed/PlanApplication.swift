package import Topology

/// Carries out single steps of a plan.
package protocol PlanExecutor: AnyObject {
    func perform(_ step: PlanStep) throws
    /// Takes a step back. No error when there is nothing to take back.
    func undo(_ step: UndoStep) throws
}

/// A plan on its way: what was done is remembered with its inverse.
package struct PlanApplication {
    private let executor: any PlanExecutor
    private let namespaces: (TestbedHost) -> String
    private var undoSteps: [UndoStep] = []

    package init(
        _ executor: any PlanExecutor, namespaces: @escaping (TestbedHost) -> String
    ) {
        self.executor = executor
        self.namespaces = namespaces
    }

    /// Does all steps in order. When one fails, those before it are undone, last first.
    package mutating func apply(_ plan: TestbedPlan) throws(TestbedError) {
        for step in plan.steps {
            do {
                try executor.perform(step)
            } catch {
                undo()
                let command = step.commands(namespaces).first ?? "\(step)"
                throw TestbedError(command, error)
            }
            if let undo = step.undo { undoSteps.append(undo) }
        }
    }

    /// Takes back whatever was done, last first. May be called again.
    ///
    /// - Returns: What could not be taken back.
    @discardableResult
    package mutating func undo() -> [TestbedError] {
        var failures: [TestbedError] = []
        while let step = undoSteps.popLast() {
            do {
                try executor.undo(step)
            } catch {
                failures.append(TestbedError("undo \(step)", error))
            }
        }
        return failures
    }
}
