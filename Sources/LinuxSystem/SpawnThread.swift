internal import Glibc
internal import Synchronization

/// The one thread that starts all child processes and never ends.
///
/// `PR_SET_PDEATHSIG` fires when the *thread* that forked ends, not the process: a child started
/// on a thread of a pool would be killed when the pool lets the thread go.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()

    private struct Queue: @unchecked Sendable {
        var isRunning = false
        var jobs: [() -> Void] = []
    }

    private let queue = Mutex(Queue())
    private let available = Semaphore()

    /// Runs `body` there and waits for it.
    func run<Value>(_ body: @escaping () -> Value) throws(SystemError) -> Value {
        let done = Semaphore()
        var result: Value?
        let job: () -> Void = {
            result = body()
            done.signal()
        }
        // The caller waits: nobody else touches what the job captured while it runs.
        nonisolated(unsafe) let sentJob = job
        let code = queue.withLock { queue in
            if !queue.isRunning {
                let code = start()
                if code != 0 { return code }
                queue.isRunning = true
            }
            queue.jobs.append(sentJob)
            return 0
        }
        guard code == 0 else { throw SystemError("pthread_create", code: code) }
        available.signal()
        done.wait()
        guard let result else { throw SystemError("spawn thread", code: ECANCELED) }
        return result
    }

    private func start() -> Int32 {
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil, { _ in SpawnThread.shared.serve() }, nil)
        if code == 0 { pthread_detach(thread) }
        return code
    }

    private func serve() -> Never {
        while true {
            available.wait()
            nextJob()()
        }
    }

    private func nextJob() -> () -> Void {
        nonisolated(unsafe) var job: () -> Void = {}
        queue.withLock { queue in
            if !queue.jobs.isEmpty { job = queue.jobs.removeFirst() }
        }
        return job
    }
}

/// A POSIX semaphore.
private final class Semaphore: @unchecked Sendable {
    private let value: UnsafeMutablePointer<sem_t>

    init() {
        value = .allocate(capacity: 1)
        sem_init(value, 0, 0)
    }

    deinit {
        sem_destroy(value)
        value.deallocate()
    }

    func signal() { sem_post(value) }
    func wait() { while sem_wait(value) != 0 {} }
}
