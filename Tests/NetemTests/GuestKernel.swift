import Glibc
import LinuxSystem

/// Debian's stock kernel for virtual machines, unpacked and never installed: it has netem, MPTCP,
/// nftables and veth, whatever the kernel has on which the tests run.
struct GuestKernel {
    /// `/boot/vmlinuz-...`
    let image: String
    /// `/lib/modules/...` with the modules that a network needs, and its name in there.
    let modules: String
    let release: String

    /// Kept between test runs, outside of what is checked in.
    private static let cache =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        + "/.build/guest-kernel"

    private static let package = "linux-image-cloud-amd64"

    /// From the cache, or else from the package archive.
    static func prepare() throws -> GuestKernel {
        if let kernel = cached() { return kernel }
        try Directory.make(cache)
        // A whole one appears in one step.
        let scratch = "\(cache)/\(RandomBytes.suffix()).tmp"
        try Directory.make(scratch)
        defer { try? Directory.remove(scratch) }
        let name = try packageName()
        try run("sh", ["-c", "cd '\(scratch)' && apt-get download \(name)"])
        try run("sh", ["-c", "cd '\(scratch)' && dpkg -x *.deb . && rm *.deb"])
        guard let release = Directory.list("\(scratch)/lib/modules").first else {
            throw SystemError("find modules in \(name)", code: ENOENT)
        }
        let kernel = "\(scratch)/lib/modules/\(release)/kernel"
        for unused in ["arch", "block", "drivers", "fs", "sound"] {
            if unused == "drivers" {
                _ = try Directory.rename("\(kernel)/drivers/net", to: "\(scratch)/net")
            }
            try Directory.remove("\(kernel)/\(unused)")
        }
        try Directory.make("\(kernel)/drivers/net")
        for module in ["veth", "dummy", "ifb", "tun"] {
            _ = try Directory.rename(
                "\(scratch)/net/\(module).ko", to: "\(kernel)/drivers/net/\(module).ko")
        }
        try run("depmod", ["-b", scratch, release])
        try Directory.remove("\(cache)/kernel")
        _ = try Directory.rename(scratch, to: "\(cache)/kernel")
        guard let kernel = cached() else {
            throw SystemError("find kernel in \(name)", code: ENOENT)
        }
        return kernel
    }

    private static func cached() -> GuestKernel? {
        let root = "\(cache)/kernel"
        guard let release = Directory.list("\(root)/lib/modules").first else { return nil }
        let image = "\(root)/boot/vmlinuz-\(release)"
        guard Directory.exists(image) else { return nil }
        return GuestKernel(
            image: image, modules: "\(root)/lib/modules/\(release)", release: release)
    }

    /// The package that holds the kernel; the other name only depends on the newest.
    private static func packageName() throws -> String {
        let text = try run("apt-cache", ["depends", package])
        for line in text.split(separator: "\n") where line.contains("Depends: linux-image-") {
            return String(line.split(separator: " ").last ?? "")
        }
        throw SystemError("find package \(package) (apt-get update?)", code: ENOENT)
    }

    @discardableResult
    private static func run(_ program: String, _ arguments: [String]) throws -> String {
        let outcome = try ChildProcess.run(program, arguments)
        guard outcome.exit.isSuccess else {
            let words = ([program] + arguments).joined(separator: " ")
            throw SystemError("\(words): \(outcome.error)", code: ECHILD)
        }
        return outcome.output
    }
}
