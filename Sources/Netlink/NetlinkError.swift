internal import Glibc
internal import LinuxSystem

/// A netlink request that failed.
package struct NetlinkError: Error, Hashable, Sendable {
    /// What went wrong, as far as a caller may want to tell apart.
    package enum Reason: Hashable, Sendable {
        case notPermitted
        case notFound
        case alreadyExists
        /// The kernel lacks it (for a queue discipline: module not there).
        case notSupported
        case unreachable
        case invalid
        case other
    }

    /// The equivalent `ip` or `tc` command.
    package var command: String
    /// `errno` of the answer.
    package var code: Int32
    /// The kernel's own words where it gave some.
    package var message: String?
    package var reason: Reason

    init(_ command: String, code: Int32, message: String? = nil) {
        self.command = command
        self.code = code
        self.message = message
        reason =
            switch code {
            case EPERM, EACCES: .notPermitted
            case ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL, ENXIO: .notFound
            case EEXIST: .alreadyExists
            case EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT: .notSupported
            case ENETUNREACH, EHOSTUNREACH: .unreachable
            case EINVAL, ERANGE: .invalid
            default: .other
            }
    }

    init(_ command: String, _ error: any Error) {
        let error = error as? SystemError
        self.init(command, code: error?.code ?? EIO, message: error?.call)
    }
}

extension NetlinkError: CustomStringConvertible {
    /// `ip link add a type veth: File exists (...)`.
    package var description: String {
        "\(command): \(SystemError.text(of: code))" + (message.map { " (\($0))" } ?? "")
    }
}
