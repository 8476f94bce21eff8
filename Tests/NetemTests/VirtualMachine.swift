import Glibc
import LinuxSystem

/// Runs a program of this machine on another kernel: in a virtual machine without hardware support
/// (QEMU's software emulation), as root, in virtual time. The guest's clock counts instructions and
/// leaps over idle time, so delays come out exact, whatever else the host is doing. Its file
/// system, in memory, holds the program, its libraries and a few tools.
struct VirtualMachine {
    let kernel: GuestKernel

    /// Set for programs in the guest.
    static let marker = "MPTCPCTL_GUEST"
    static let isGuest = getenv(marker) != nil

    private static let emulator = "qemu-system-x86_64"
    /// What programs and tests call, next to busybox.
    private static let tools = ["ip", "tc", "nft", "kmod"]

    /// Why there can be none here; `nil` when there can. Looks once.
    static let obstacle: String? = {
        if isGuest { return "runs in the virtual machine already" }
        #if !arch(x86_64)
            return "only for amd64"
        #else
            for program in [emulator, "busybox", "depmod", "apt-get", "dpkg", "ldd"] + tools {
                do throws(SystemError) { _ = try Executable.find(program) } catch {
                    return "\(program) is not installed"
                }
            }
            do { _ = try GuestKernel.prepare() } catch { return "no guest kernel: \(error)" }
            return nil
        #endif
    }()

    /// A program of this machine, by its absolute path, and what it is told.
    struct Command {
        var program: String
        var arguments: [String]
    }

    /// What a program left behind.
    struct Outcome {
        var status: Int
        var output: String
        var error: String
    }

    /// Boots, runs the commands one after the other, each to its end, and halts.
    ///
    /// - Parameter timeLimit: Of each command, in the guest's time.
    func run(
        _ commands: [Command], timeLimit: Duration = .seconds(600)
    ) throws -> [Outcome] {
        let directory = "/tmp/mptcpctl-guest-\(RandomBytes.suffix())"
        try Directory.make(directory)
        defer { try? Directory.remove(directory) }
        try writeImage("\(directory)/image", commands, timeLimit)
        let machine = try ChildProcess.run(
            Self.emulator,
            [
                "-machine", "q35", "-cpu", "qemu64,+rdrand", "-m", "2048", "-nodefaults",
                "-display", "none", "-no-reboot", "-accel", "tcg,thread=single",
                // One nanosecond for each instruction, and time leaps while nothing runs.
                "-icount", "shift=0,align=off,sleep=off", "-rtc", "clock=vm",
                "-kernel", kernel.image, "-initrd", "\(directory)/image",
                "-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off",
                "-serial", "file:\(directory)/console", "-serial", "file:\(directory)/result",
            ])
        let result = (try? TextFile.read("\(directory)/result")) ?? ""
        let outcomes = Self.outcomes(in: result)
        guard machine.exit.isSuccess, outcomes.count == commands.count else {
            let console = (try? TextFile.read("\(directory)/console")) ?? ""
            throw SystemError(
                "\(Self.emulator): \(machine.exit) \(machine.error)\n\(console)\n\(result)",
                code: EIO)
        }
        return outcomes
    }

    private func writeImage(
        _ path: String, _ commands: [Command], _ timeLimit: Duration
    ) throws {
        let script = commands.map { command in
            let words = ([command.program] + command.arguments).map(Self.quoted)
            return "run timeout -s KILL \(timeLimit.components.seconds) "
                + words.joined(separator: " ") + "\n"
        }
        let image = try InitialFileSystem(at: path)
        for directory in ["/bin", "/dev", "/proc", "/root", "/run", "/sys", "/tmp"] {
            try image.addDirectory(directory)
        }
        try image.addFile("/init", text: Self.initialProgram)
        try image.addFile("/commands", text: script.joined())
        try image.addFile("/bin/busybox", from: try Executable.find("busybox"))
        for command in commands { try image.addProgram(command.program) }
        for tool in Self.tools { try image.addProgram(try Executable.find(tool)) }
        // How the kernel loads modules.
        try image.addLink("/sbin/modprobe", to: try Executable.find("kmod"))
        try image.addTree("/lib/modules/\(kernel.release)", from: kernel.modules)
        try image.finish()
    }

    /// What the kernel starts. Of each command a line with exit status and lengths goes out through
    /// the second serial port, then its standard output and standard error.
    private static let initialProgram = """
        #!/bin/busybox sh
        /bin/busybox --install -s /bin
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \(marker)=1
        mount -t proc proc /proc
        mount -t sysfs sys /sys
        mount -t devtmpfs dev /dev
        mount -t tmpfs run /run
        ip link set lo up
        stty -F /dev/ttyS1 raw -echo
        run() {
            "$@" </dev/null >/run/.output 2>/run/.error
            echo "$? $(stat -c %s /run/.output) $(stat -c %s /run/.error)" >/dev/ttyS1
            cat /run/.output /run/.error >/dev/ttyS1
        }
        cd /root
        . /commands
        echo o >/proc/sysrq-trigger
        sleep 60
        """

    private static func quoted(_ word: String) -> String {
        "'"
            + word.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''")
            + "'"
    }

    /// Reads what `initialProgram` wrote; what is cut off is left out.
    private static func outcomes(in text: String) -> [Outcome] {
        var outcomes: [Outcome] = []
        var rest = Array(text.utf8)[...]
        while let end = rest.firstIndex(of: 0x0a) {
            let numbers = String(decoding: rest[..<end], as: UTF8.self)
                .split(separator: " ").compactMap { Int($0) }
            rest = rest[(end + 1)...]
            guard numbers.count == 3, rest.count >= numbers[1] + numbers[2] else { break }
            let output = rest.prefix(numbers[1])
            let error = rest.dropFirst(numbers[1]).prefix(numbers[2])
            rest = rest.dropFirst(numbers[1] + numbers[2])
            outcomes.append(
                Outcome(
                    status: numbers[0], output: String(decoding: output, as: UTF8.self),
                    error: String(decoding: error, as: UTF8.self)))
        }
        return outcomes
    }
}
