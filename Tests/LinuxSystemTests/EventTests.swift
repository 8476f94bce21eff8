import Glibc
import LinuxSystem
import NetworkPrimitives
import Testing

@Suite("Events and clocks")
struct EventTests {
    @Test("waiting until a time ends at that time, not before")
    func deadline() throws {
        let poll = try EventPoll()
        let deadline = MonotonicClock.now() + .milliseconds(20)
        #expect(try poll.wait(until: deadline).isEmpty)
        let late = MonotonicClock.now() - deadline
        #expect(late >= .zero && late < .seconds(2))
        // A time that has passed ends the wait at once.
        #expect(try poll.wait(until: deadline).isEmpty)
        #expect(try poll.wait(until: .zero).isEmpty)
    }

    @Test("an old expiry does not wake a wait without a time")
    func oldExpiry() throws {
        let poll = try EventPoll()
        let wake = try WakeDescriptor()
        try poll.add(wake.rawValue, token: 7)
        #expect(try poll.wait(until: MonotonicClock.now()).isEmpty)
        wake.wake()
        let ready = try poll.wait(until: nil)
        #expect(ready.map(\.token) == [7])
        #expect(ready.first?.isReadable == true)
        #expect(wake.takeWake() == true)
        #expect(wake.takeWake() == false)
        #expect(try poll.poll().isEmpty)
    }

    @Test("a time that moved away does not end the wait")
    func movedAway() throws {
        let poll = try EventPoll()
        let wake = try WakeDescriptor()
        try poll.add(wake.rawValue, token: 7)
        let now = MonotonicClock.now()
        wake.wake()
        #expect(try poll.wait(until: now + .milliseconds(10)).count == 1)
        #expect(wake.takeWake() == true)
        #expect(try poll.wait(until: now + .milliseconds(40)).isEmpty)
        #expect(MonotonicClock.now() >= now + .milliseconds(40))
        // And one that came nearer does.
        wake.wake()
        #expect(try poll.wait(until: now + .seconds(3_600)).count == 1)
        #expect(wake.takeWake() == true)
        #expect(try poll.wait(until: now + .milliseconds(60)).isEmpty)
    }

    /// The thread's processor time tells a wait from a loop; a loop would take all of the 200 ms.
    @Test("a timer that went off, or that goes off for nobody, costs no time", arguments: [5, 60])
    func isQuiet(_ milliseconds: Int) throws {
        let poll = try EventPoll()
        let wake = try WakeDescriptor()
        let timer = try TimerDescriptor()
        try poll.add(wake.rawValue, token: 7)
        try poll.add(timer.rawValue, token: 8)
        let now = MonotonicClock.now()
        if milliseconds > 5 { wake.wake() }
        _ = try poll.wait(until: now + .milliseconds(milliseconds))
        _ = wake.takeWake()
        try timer.arm(at: now + .milliseconds(200))
        let before = threadTime()
        #expect(try poll.wait(until: nil).map(\.token) == [8])
        #expect(MonotonicClock.now() >= now + .milliseconds(200))
        #expect(threadTime() - before < .milliseconds(50))
        // Nor is it what ends the next poll.
        #expect(timer.takeExpiry() == true)
        #expect(try poll.poll(timeout: 1).isEmpty)
    }

    private func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    @Test("a hang-up is told, and a descriptor that was removed is silent")
    func hangUp() throws {
        let poll = try EventPoll()
        let pipe = try Pipe()
        try poll.add(pipe.readEnd.rawValue, token: 1)
        try poll.add(pipe.writeEnd.rawValue, token: 2, readable: false, writable: true)
        #expect(try poll.poll().map(\.token) == [2])
        try poll.modify(pipe.writeEnd.rawValue, token: 2, readable: false, writable: false)
        #expect(try poll.poll().isEmpty)
        try pipe.writeEnd.write([1])
        #expect(try poll.poll().map(\.token) == [1])
        poll.remove(pipe.readEnd.rawValue)
        #expect(try poll.poll().isEmpty)
        #expect(throws: SystemError.self) { try poll.add(-1, token: 3) }
    }

    @Test("a timer can be read, armed anew and disarmed")
    func timer() throws {
        let timer = try TimerDescriptor()
        let poll = try EventPoll()
        try poll.add(timer.rawValue, token: 1)
        #expect(timer.takeExpiry() == false)
        try timer.arm(at: .zero)
        #expect(try poll.poll(timeout: 2000).count == 1)
        #expect(timer.takeExpiry() == true)
        #expect(timer.takeExpiry() == false)
        try timer.arm(at: .zero)
        try timer.arm(at: nil)
        #expect(try poll.poll().isEmpty)
    }

    @Test("a signal arrives through its descriptor")
    func signal() throws {
        // Blocked and sent on one thread, so that no other one can take it.
        let numbers = try NamespaceThread.onFreshThread { () throws -> [Int32?] in
            let signals = try SignalDescriptor([SIGUSR2])
            pthread_kill(pthread_self(), SIGUSR2)
            return [try signals.next(), try signals.next()]
        }
        #expect(numbers == [SIGUSR2, nil])
    }

    @Test("the wall clock is the monotonic clock plus an offset")
    func clocks() {
        let offset = WallClock.offsetFromMonotonic()
        let now = MonotonicClock.now()
        let difference = WallClock.nanoseconds() - (now.nanoseconds + offset)
        #expect(difference >= -1_000_000 && difference < 2_000_000_000)
    }

    @Test("random octets have the length asked for and differ")
    func random() {
        #expect(RandomBytes.make(count: 600).count == 600)
        #expect(RandomBytes.make(count: 16) != RandomBytes.make(count: 16))
        #expect(RandomBytes.suffix().count == 6)
    }

    @Test("errors say what failed and why")
    func errors() {
        let error = #expect(throws: SystemError.self) { try TextFile.read("/nowhere") }
        #expect(error?.description == "open /nowhere: No such file or directory")
        #expect(error?.isMissing == true)
    }

    @Test("a file is replaced as a whole")
    func replace() throws {
        let path = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        defer { unlink(path) }
        try TextFile.write("one", to: path)
        try TextFile.replace(path, with: "two\n")
        #expect(try TextFile.read(path) == "two\n")
    }

    @Test("a file that cannot be replaced leaves nothing behind")
    func replaceInVain() throws {
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        defer { try? Directory.remove(directory) }
        try Directory.make("\(directory)/name")
        #expect(throws: SystemError.self) {
            try TextFile.replace("\(directory)/name", with: "a directory bears it")
        }
        #expect(Directory.list(directory) == ["name"])
        symlink("/dev/full", "\(directory)/full.\(getpid())-\(pthread_self()).tmp")
        let error = #expect(throws: SystemError.self) {
            try TextFile.replace("\(directory)/full", with: "no space")
        }
        #expect(error?.code == ENOSPC)
        #expect(Directory.list(directory) == ["name"])
    }
}
