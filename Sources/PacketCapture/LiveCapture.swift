internal import Glibc
package import LinuxSystem
internal import Synchronization

/// Captures what passes an interface into a file, on a thread of its own.
///
/// Once the initializer has returned, every packet that passes is in the file, until `stop`: the
/// kernel writes into the ring from the moment the socket is bound, whether or not the thread has
/// run. A link that goes down and comes up again is captured on.
package final class LiveCapture: Sendable {
    /// How to capture.
    package struct Configuration: Hashable, Sendable {
        /// The most that is kept of a frame.
        package var snapshotLength: Int
        /// Octets of the kernel's ring. It is made of blocks of 256 KiB, and the kernel hands over a
        /// block when it is full or 10 ms old: 32 MiB last for over a second at 100 Mbit/s.
        package var ringSize: Int

        package init(
            snapshotLength: Int = CaptureWriter.wholePackets, ringSize: Int = 32 << 20
        ) {
            self.snapshotLength = snapshotLength
            self.ringSize = ringSize
        }
    }

    /// What became of the packets.
    package struct Statistics: Hashable, Sendable {
        /// Packets in the file.
        package var written: Int
        /// Packets that passed and are not in the file, as the ring was full.
        package var dropped: Int
    }

    package let interface: String
    package let path: String

    private enum State {
        case running(Thread)
        case stopped(Result<Statistics, CaptureError>)
    }

    private struct Thread: @unchecked Sendable {
        /// Belongs to the thread; to the caller of `stop` once the thread has ended.
        var worker: CaptureWorker
        var thread: pthread_t
    }

    private let state: Mutex<State>

    /// Starts a capture of `interface` in `namespace`, or in the calling thread's, into `path`.
    package init(
        _ interface: String, in namespace: NetworkNamespace? = nil, to path: String,
        _ configuration: Configuration = Configuration()
    ) throws(CaptureError) {
        self.interface = interface
        self.path = path
        let worker = try CaptureWorker(
            Self.open(interface, namespace, configuration), to: path,
            snapshotLength: configuration.snapshotLength)
        let box = Unmanaged.passRetained(worker)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<CaptureWorker>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw CaptureError(.failed, interface, "no thread: \(SystemError.text(of: code))")
        }
        state = Mutex(.running(Thread(worker: worker, thread: thread)))
    }

    /// The socket stays in its namespace, whichever thread uses it.
    private static func open(
        _ interface: String, _ namespace: NetworkNamespace?, _ configuration: Configuration
    ) throws(CaptureError) -> PcapCapture {
        func open() throws -> PcapCapture {
            try PcapCapture(
                interface, snapshotLength: configuration.snapshotLength,
                ringSize: configuration.ringSize)
        }
        do {
            return try namespace.map { try NamespaceThread.run(in: $0, open) } ?? open()
        } catch {
            throw error as? CaptureError ?? CaptureError(.failed, interface, "\(error)")
        }
    }

    /// An abandoned capture leaves no file.
    deinit {
        state.withLock { state in
            guard case .running(let running) = state else { return }
            running.worker.stop()
            pthread_join(running.thread, nil)
            running.worker.discard()
        }
    }

    /// Writes all that the kernel has captured up to now and finishes the file. Called again, it
    /// returns the same.
    @discardableResult
    package func stop() throws(CaptureError) -> Statistics {
        let result = state.withLock { state in
            switch state {
            case .stopped(let result): return result
            case .running(let running):
                running.worker.stop()
                pthread_join(running.thread, nil)
                let result = running.worker.finish()
                state = .stopped(result)
                return result
            }
        }
        return try result.get()
    }
}
