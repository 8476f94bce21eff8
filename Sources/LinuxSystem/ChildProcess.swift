internal import CLinux
internal import Glibc

/// A program that this process started and answers for. Use from one thread at a time.
package final class ChildProcess {
    package let processID: Int32
    private var status: Int32?

    /// How a process ended.
    package enum Exit: Hashable, Sendable {
        case code(Int32)
        case signal(Int32)

        package var isSuccess: Bool { self == .code(0) }
    }

    /// Which descriptors a program gets as 0, 1 and 2; `nil` is /dev/null.
    package struct Streams: Sendable {
        package var input: Int32?
        package var output: Int32?
        package var error: Int32?

        package init(input: Int32? = nil, output: Int32? = nil, error: Int32? = nil) {
            self.input = input
            self.output = output
            self.error = error
        }

        package static let none = Streams()
        /// Those of this process.
        package static let inherited = Streams(input: 0, output: 1, error: 2)
    }

    /// Starts a program, in `namespace` if one is given. A path without a slash is looked up with
    /// `Executable.find`. The error names the call that failed, exec's included.
    ///
    /// - Parameters:
    ///   - environment: The whole environment, in order; `nil` for this process's.
    ///   - diesWithParent: The kernel kills it when this process ends, however that comes about.
    ///   - ownProcessGroup: Ctrl-C on the terminal does not reach it.
    package init(
        _ program: String, _ arguments: [String], environment: [(String, String)]? = nil,
        in namespace: NetworkNamespace? = nil, streams: Streams = .none,
        diesWithParent: Bool = true, ownProcessGroup: Bool = true
    ) throws(SystemError) {
        let path = try Executable.find(program)
        let argv = CStringArray([program] + arguments)
        let variables = environment.map { CStringArray($0.map { "\($0.0)=\($0.1)" }) }
        let pathCopy = CStringArray([path])
        var stage: Int32 = 0
        let result = try SpawnThread.shared.run {
            var order = clinux_spawn()
            order.path = UnsafePointer(pathCopy.pointers[0])
            order.argv = UnsafePointer(argv.pointers)
            order.env = variables.map { UnsafePointer($0.pointers) }
            order.netns_fd = namespace?.descriptor.rawValue ?? -1
            order.in = streams.input ?? -1
            order.out = streams.output ?? -1
            order.err = streams.error ?? -1
            order.die_with_parent = diesWithParent ? 1 : 0
            order.own_process_group = ownProcessGroup ? 1 : 0
            return clinux_spawn(&order, &stage)
        }
        let call =
            switch Int(stage) {
            case CLINUX_STAGE_NAMESPACE: "setns \(namespace?.name ?? "") for \(path)"
            case CLINUX_STAGE_EXECUTE: "exec \(path)"
            default: "fork for \(path)"
            }
        processID = try checked(result, call)
    }

    /// Waits for the end.
    package func wait() -> Exit {
        if let status { return Self.exit(of: status) }
        var value: Int32 = 0
        while waitpid(processID, &value, 0) < 0, errno == EINTR {}
        status = value
        return Self.exit(of: value)
    }

    /// How it ended, `nil` while it runs.
    package func poll() -> Exit? {
        if let status { return Self.exit(of: status) }
        var value: Int32 = 0
        guard waitpid(processID, &value, WNOHANG) == processID else { return nil }
        status = value
        return Self.exit(of: value)
    }

    private static func exit(of status: Int32) -> Exit {
        status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
    }

    /// Sends a signal unless it has ended.
    package func signal(_ number: Int32) {
        if poll() == nil { kill(processID, number) }
    }

    /// Kills it and waits.
    @discardableResult
    package func terminate() -> Exit {
        signal(SIGKILL)
        return wait()
    }

    /// What a program that ran to its end left behind.
    package struct Outcome: Hashable, Sendable {
        package var exit: Exit
        package var output: String
        package var error: String

        package init(exit: Exit, output: String, error: String) {
            self.exit = exit
            self.output = output
            self.error = error
        }
    }

    /// Runs a program to its end.
    package static func run(
        _ program: String, _ arguments: [String], input: String = "",
        environment: [(String, String)]? = nil, in namespace: NetworkNamespace? = nil
    ) throws(SystemError) -> Outcome {
        let inputFile = try MemoryFile(input)
        let outputFile = try MemoryFile()
        let errorFile = try MemoryFile()
        let child = try ChildProcess(
            program, arguments, environment: environment, in: namespace,
            streams: Streams(
                input: inputFile.descriptor.rawValue, output: outputFile.descriptor.rawValue,
                error: errorFile.descriptor.rawValue))
        let exit = child.wait()
        return Outcome(exit: exit, output: try outputFile.text(), error: try errorFile.text())
    }
}

/// Programs by name.
package enum Executable {
    /// The path of this program: its child processes are the same program with other arguments.
    package static func own() throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { throw SystemError("readlink /proc/self/exe", code: errno) }
        let path = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        // A program that was replaced since it started is still behind the link.
        return access(path, X_OK) == 0 ? path : "/proc/self/exe"
    }

    /// The path of a program: as it stands with a slash in it, otherwise from `PATH` and the
    /// directories of system tools, which an ordinary user's `PATH` may lack.
    package static func find(_ name: String) throws(SystemError) -> String {
        if name.contains("/") { return name }
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        for directory in (path + ":/usr/sbin:/sbin:/usr/bin:/bin").split(separator: ":") {
            let candidate = "\(directory)/\(name)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw SystemError("find program \(name)", code: ENOENT)
    }
}

/// A null-terminated array of C strings.
private final class CStringArray {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            (pointers + index).initialize(to: strdup(string))
        }
        (pointers + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
