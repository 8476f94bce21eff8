internal import CLinux
internal import Glibc

/// Runs code on a thread of its own inside a network namespace. A namespace belongs to a thread:
/// descriptors opened there can be used anywhere, the thread itself is thrown away. A thread of a
/// pool must never enter one.
///
/// A child process must not be started there with `fork`; `ChildProcess` does it elsewhere.
package enum NamespaceThread {
    private class Work {
        func run() {}
    }

    private final class TypedWork<Value: ~Copyable>: Work {
        let body: () throws -> Value
        var result: Result<Value, any Error>?

        init(_ body: @escaping () throws -> Value) { self.body = body }

        override func run() {
            do { result = .success(try body()) } catch { result = .failure(error) }
        }
    }

    /// Runs `body` in the namespace and waits for it.
    package static func run<Value: ~Copyable>(
        in namespace: NetworkNamespace, _ body: () throws -> Value
    ) throws -> Value {
        try onFreshThread {
            try checked(
                clinux_setns(namespace.descriptor.rawValue, Int32(CLINUX_NEWNET)),
                "setns \(namespace.name)")
            return try body()
        }
    }

    /// Runs `body` on a fresh thread, in the namespace of the caller, and waits for it.
    package static func onFreshThread<Value: ~Copyable>(
        _ body: () throws -> Value
    ) throws -> Value {
        try withoutActuallyEscaping(body) { body in
            let work = TypedWork(body)
            let box = Unmanaged.passRetained(work as Work)
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, box.toOpaque())
            guard code == 0 else {
                box.release()
                throw SystemError("pthread_create", code: code)
            }
            pthread_join(thread, nil)
            guard let result = work.result.take() else {
                throw SystemError("thread", code: ECANCELED)
            }
            return try result.get()
        }
    }
}
