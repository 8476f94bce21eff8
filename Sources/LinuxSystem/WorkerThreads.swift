internal import Glibc

/// Threads that do the same kind of work side by side. Not tasks: what they do blocks.
package enum WorkerThreads {
    private final class Work {
        let body: @Sendable (Int) -> Void
        let index: Int

        init(_ body: @escaping @Sendable (Int) -> Void, _ index: Int) {
            self.body = body
            self.index = index
        }
    }

    /// Runs `body` on `count` threads, each with its number, and waits for all of them.
    package static func run(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Void
    ) throws(SystemError) {
        var threads: [pthread_t] = []
        var code: Int32 = 0
        for index in 0..<count {
            let box = Unmanaged.passRetained(Work(body, index))
            var thread = pthread_t()
            code = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                    work.body(work.index)
                    return nil
                }, box.toOpaque())
            guard code == 0 else {
                box.release()
                break
            }
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        // Those that were started have done the work of all.
        if threads.isEmpty { throw SystemError("pthread_create", code: code) }
    }
}
