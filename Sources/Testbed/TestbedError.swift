internal import LinuxSystem
internal import Netlink

/// Why a testbed does not stand.
package struct TestbedError: Error, Hashable, Sendable {
    /// What was being done; the equivalent command where there is one.
    package var operation: String
    package var reason: String
    /// Whether it is a matter of privileges.
    package var isPermission: Bool

    package init(_ operation: String, _ reason: String, isPermission: Bool = false) {
        self.operation = operation
        self.reason = reason
        self.isPermission = isPermission
    }

    init(_ operation: String, _ error: any Error) {
        if let error = error as? TestbedError {
            self = error
            return
        }
        let permission =
            (error as? SystemError)?.isPermission ?? false
            || (error as? NetlinkError)?.reason == .notPermitted
        self.init(operation, "\(error)", isPermission: permission)
    }
}

extension TestbedError: CustomStringConvertible {
    package var description: String { "\(operation): \(reason)" }
}
