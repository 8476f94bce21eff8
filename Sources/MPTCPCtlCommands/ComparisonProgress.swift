internal import Experiment
internal import LinuxSystem
internal import NetworkPrimitives
internal import Reporting
internal import Scenario
internal import Synchronization

/// How far a comparison is, and how long the rest may take.
final class ComparisonProgress: Sendable {
    private let progress: Progress
    private let metrics: [Metric]
    /// How many runs were done when, at first sight.
    private let beginning = Mutex<(done: Int, time: Instant)?>(nil)

    init(_ progress: Progress, metrics: [Metric]) {
        self.progress = progress
        self.metrics = metrics
    }

    func report(_ news: ComparisonRunner.Progress) {
        switch news {
        case .stage(let text): progress.report(text)
        case .run(let run, let cell, let done, let count):
            let left = timeLeft(done, count)
            // Where lines stay, of many runs only some and the failed ones are worth one.
            let step = max(count / 20, 1)
            guard progress.isTerminal || run.outcome == .failed || done % step == 0 else { return }
            progress.report(
                ComparisonText.progress(run, of: cell, metrics: metrics, done: done, count: count)
                    + left)
        }
    }

    private func timeLeft(_ done: Int, _ count: Int) -> String {
        let now = MonotonicClock.now()
        return beginning.withLock { beginning in
            guard let first = beginning else {
                beginning = (done, now)
                return ""
            }
            guard done < count, done > first.done else { return "" }
            let perRun = (now - first.time).seconds / Double(done - first.done)
            return "; about \(Int((perRun * Double(count - done)).rounded(.up))) s left"
        }
    }
}
