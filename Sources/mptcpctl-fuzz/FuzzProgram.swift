internal import FuzzTargets
internal import Glibc
internal import LinuxSystem

/// Feeds one target, named by the environment variable `MPTCPCTL_FUZZ_TARGET`.
///
/// Built with `-sanitize=fuzzer -DLIBFUZZER` it is a libFuzzer program (Fuzzing/README.md); built
/// otherwise it feeds the files that its arguments name, once.
@main
struct FuzzProgram {
    static let target: FuzzTarget = {
        let name = getenv("MPTCPCTL_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else {
            let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
            fail("MPTCPCTL_FUZZ_TARGET is one of \(names)")
        }
        return target
    }()

    static func fail(_ text: String) -> Never {
        let line = Array("mptcpctl-fuzz: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(2)
    }

    #if LIBFUZZER
        static func main() {
            _ = target
            var count = CommandLine.argc
            var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
                CommandLine.unsafeArgv
            exit(fuzzerDriver(&count, &arguments, feedTarget))
        }
    #else
        static func main() {
            for path in CommandLine.arguments.dropFirst() {
                do {
                    let found = try TextFile.bytes(path).withUnsafeBytes { target.run($0) }
                    if !found.isEmpty { fail("\(path): \(found.joined(separator: "; "))") }
                } catch {
                    fail("\(error)")
                }
            }
        }
    #endif
}

#if LIBFUZZER
    /// libFuzzer keeps the input of a process that dies.
    @_cdecl("LLVMFuzzerTestOneInput")
    public func feedTarget(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
        let found = FuzzProgram.target.run(UnsafeRawBufferPointer(start: bytes, count: count))
        if !found.isEmpty { fatalError(found.joined(separator: "; ")) }
        return 0
    }

    /// libFuzzer's main loop. Its own `main` gives way to that of this program.
    @_silgen_name("LLVMFuzzerRunDriver")
    func fuzzerDriver(
        _ count: UnsafeMutablePointer<Int32>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
        _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Int32
#endif
