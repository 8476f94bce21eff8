internal import Glibc
internal import LinuxSystem
internal import NetworkPrimitives

/// The part of a live capture that its thread owns: `run` on the thread, `stop` from any other, the
/// rest once the thread has ended.
final class CaptureWorker {
    private let capture: PcapCapture
    private let writer: CaptureWriter
    private let poll: EventPoll
    private let wake: WakeDescriptor
    /// The link went down: nobody tells when it then goes away altogether.
    private var isDown = false
    private var dropped = 0
    private var failure: CaptureError?

    private static let captureToken: UInt64 = 1
    private static let wakeToken: UInt64 = 2
    private static let downCheck = Duration.milliseconds(250)
    /// Far longer than the kernel keeps packets in a block.
    private static let patience: Int32 = 500

    init(
        _ capture: PcapCapture, to path: String, snapshotLength: Int
    ) throws(CaptureError) {
        self.capture = capture
        writer = try CaptureWriter(
            path, linkType: capture.linkType, snapshotLength: snapshotLength)
        do {
            poll = try EventPoll()
            wake = try WakeDescriptor()
            try poll.add(capture.descriptor, token: Self.captureToken)
            try poll.add(wake.rawValue, token: Self.wakeToken)
        } catch {
            throw CaptureError(.failed, capture.interface, "\(error)")
        }
    }

    func stop() { wake.wake() }

    func run() {
        do throws(CaptureError) {
            var isStopped = false
            while !isStopped, !(isDown && capture.hasVanished) {
                let deadline = isDown ? MonotonicClock.now() + Self.downCheck : nil
                isStopped = try writeWhatIsReady { poll throws(SystemError) in
                    try poll.wait(until: deadline)
                }.isStopped
            }
            try drain()
            if capture.hasVanished { throw capture.vanished }
        } catch {
            failure = error
        }
    }

    /// Waits, then writes the packets that the kernel has handed over, if any.
    private func writeWhatIsReady(
        _ wait: (EventPoll) throws(SystemError) -> UnsafeBufferPointer<EventPoll.Ready>
    ) throws(CaptureError) -> (isIdle: Bool, isStopped: Bool) {
        var isReadable = false
        var isStopped = false
        let ready: UnsafeBufferPointer<EventPoll.Ready>
        do {
            ready = try wait(poll)
        } catch {
            throw CaptureError(.failed, capture.interface, "\(error)")
        }
        for entry in ready {
            if entry.token == Self.wakeToken {
                wake.takeWake()
                isStopped = true
                continue
            }
            isReadable = entry.isReadable
            if entry.isClosed {
                // The link went down. libpcap gives up when it meets that, with packets left in
                // the ring: it must not.
                capture.takeSocketError()
                isDown = true
            }
        }
        if isReadable, try capture.dispatch(to: writer) > 0 { isDown = false }
        return (ready.isEmpty, isStopped)
    }

    /// Writes all that is in the ring. The newest packets stand in a block that the kernel has not
    /// handed over yet, but its counters know them: it is waited for as many.
    private func drain() throws(CaptureError) {
        let statistics = try capture.statistics()
        dropped = statistics.dropped
        while writer.count < statistics.ringed {
            let isIdle = try writeWhatIsReady { poll throws(SystemError) in
                try poll.poll(timeout: Self.patience)
            }.isIdle
            // libpcap leaves out a few that the kernel counts, such as the outgoing copies on a
            // loopback interface: then nothing comes any more.
            if isIdle { break }
        }
    }

    /// The file gets its name, whatever happened, as what it holds is good.
    func finish() -> Result<LiveCapture.Statistics, CaptureError> {
        do throws(CaptureError) {
            try writer.close()
            if let failure { throw failure }
            return .success(LiveCapture.Statistics(written: writer.count, dropped: dropped))
        } catch {
            return .failure(error)
        }
    }

    func discard() { writer.discard() }
}
