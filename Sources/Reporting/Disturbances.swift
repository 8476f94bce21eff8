internal import Scenario

/// What the harness itself did to runs, as far as it is more than it may be.
enum Disturbances {
    /// A line for each kind: in which runs, and how much at worst.
    static func lines(of runs: [RunResult]) -> [String] {
        let late = runs.filter { $0.harness.lateness.value ?? 0 > RunHarness.latenessLimit }
        let full = runs.filter { $0.harness.backlogDrops.value ?? 0 > 0 }
        var lines: [String] = []
        if let worst = late.compactMap(\.harness.lateness.value).max() {
            lines.append(
                "\(names(of: late)): the relay sent a frame on \(Figures.fixed(worst, 2)) ms late "
                    + "(more than \(Figures.plain(RunHarness.latenessLimit)) ms)")
        }
        if let most = full.compactMap(\.harness.backlogDrops.value).max() {
            lines.append(
                "\(names(of: full)): the kernel's packet backlog was full; on this machine "
                    + "\(Figures.of(Int(most), "packet was", "packets were")) dropped")
        }
        return lines
    }

    /// `run 2`, `runs 2, 5 (at worst)`
    private static func names(of runs: [RunResult]) -> String {
        let numbers = runs.map { String($0.index) }.joined(separator: ", ")
        return runs.count == 1 ? "run \(numbers)" : "runs \(numbers) (at worst)"
    }
}
