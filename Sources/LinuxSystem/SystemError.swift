internal import Glibc

/// A system call that failed.
package struct SystemError: Error, Hashable, Sendable {
    /// The call, with what it was about.
    package var call: String
    /// `errno`.
    package var code: Int32

    package init(_ call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    package var isPermission: Bool { code == EPERM || code == EACCES }
    package var isMissing: Bool { code == ENOENT || code == ENODEV || code == ESRCH }
    package var alreadyExists: Bool { code == EEXIST }
    package var wouldBlock: Bool { code == EAGAIN }
    package var isAddressInUse: Bool { code == EADDRINUSE }
    package var isUnreachable: Bool { code == ENETUNREACH || code == EHOSTUNREACH }
}

extension SystemError: CustomStringConvertible {
    /// `open /run/netns/a: No such file or directory`.
    package var description: String { "\(call): \(Self.text(of: code))" }

    /// What `errno` means.
    package static func text(of code: Int32) -> String {
        // strerror shares one buffer between threads.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress, strerror_r(code, base, 128) == 0 else {
                return "error \(code)"
            }
            return String(cString: base)
        }
    }
}

/// Turns the `-errno` of a C wrapper into an error.
@discardableResult
package func checked(
    _ result: Int32, _ call: @autoclosure () -> String
) throws(SystemError) -> Int32 {
    guard result >= 0 else { throw SystemError(call(), code: -result) }
    return result
}

/// Turns -1 and `errno` into an error.
@discardableResult
package func checkedErrno<T: FixedWidthInteger & SignedNumeric>(
    _ result: T, _ call: @autoclosure () -> String
) throws(SystemError) -> T {
    guard result >= 0 else {
        let code = errno
        throw SystemError(call(), code: code)
    }
    return result
}
