/// One conversation between our stack and the Linux kernel's: a value for every axis of the
/// interoperability matrix (kernel-peer.md, 22).
package struct InteropCell: Hashable, Sendable {
    package var role: Role
    package var family: Family
    package var checksum: Checksum
    /// Subflows before anything is signalled.
    package var subflows: Subflows
    package var end: End
    package var signal: Signal
    package var loss: Loss
    package var application: Application

    /// What our stack is; the kernel is the other one.
    package enum Role: String, Hashable, Sendable, CaseIterable {
        case client
        case server
    }

    package enum Family: String, Hashable, Sendable, CaseIterable {
        case v4
        case v6
    }

    /// Who asks for DSS checksums; one who asks is enough (RFC 8684, 3.1).
    package enum Checksum: String, Hashable, Sendable, CaseIterable {
        case off
        case ours
        case kernels
    }

    package enum Subflows: Int, Hashable, Sendable, CaseIterable {
        case one = 1
        case two
        case three
    }

    package enum End: String, Hashable, Sendable, CaseIterable {
        /// Both directions end one after the other.
        case close
        /// The client ends its direction in the middle of a download.
        case halfClose = "half-close"
        /// Our application gives up: we send MP_FASTCLOSE.
        case ourAbort = "our-abort"
        /// The kernel's application gives up: it sends MP_FASTCLOSE.
        case kernelAbort = "kernel-abort"
    }

    /// What is said about addresses and priorities on the way, and who says it.
    package enum Signal: String, Hashable, Sendable, CaseIterable {
        case none
        case weAdd = "we-add"
        case kernelAdds = "kernel-adds"
        case weRemove = "we-remove"
        case kernelRemoves = "kernel-removes"
        case ourPriority = "our-prio"
        case kernelPriority = "kernel-prio"
    }

    package enum Loss: String, Hashable, Sendable, CaseIterable {
        case none = "no-loss"
        case onePercent = "loss"
    }

    /// What uses the kernel's MPTCP.
    package enum Application: String, Hashable, Sendable, CaseIterable {
        /// A program that asks for MPTCP sockets.
        case sockets
        /// A program that asks for TCP sockets, run by `mptcpize`.
        case mptcpize
    }

    package init(
        role: Role, family: Family, checksum: Checksum, subflows: Subflows, end: End,
        signal: Signal, loss: Loss, application: Application
    ) {
        self.role = role
        self.family = family
        self.checksum = checksum
        self.subflows = subflows
        self.end = end
        self.signal = signal
        self.loss = loss
        self.application = application
    }

    /// The values of all axes in their order: unique, and what `--only` looks for.
    package var name: String {
        values.joined(separator: "/")
    }

    /// The values of the axes as words, in the order of `axes`.
    package var values: [String] {
        [
            role.rawValue, family.rawValue, "csum-\(checksum.rawValue)", "\(subflows.rawValue)sf",
            end.rawValue, signal.rawValue, loss.rawValue, application.rawValue,
        ]
    }

    /// The names of the axes, in the order of `values`.
    package static let axes = [
        "swift is", "family", "checksum", "subflows", "end", "signal", "loss", "kernel app",
    ]

    /// Why there can be no such conversation, whoever implements it; `nil` if there can.
    package var contradiction: String? {
        switch (signal, role, subflows) {
        case (.weRemove, .client, .one), (.kernelRemoves, .server, .one):
            "the client's only address cannot be removed"
        case (.kernelRemoves, .client, .one):
            "nothing leads to the server's second address"
        default: nil
        }
    }

    /// What one of the two stacks lacks for this conversation, and why; `nil` if it can take place.
    package var lack: String? {
        switch (signal, role) {
        case (.weAdd, .client):
            "our client announces nothing: it accepts no joins, and neither does the kernel's "
                + "client without an endpoint with a port"
        default: nil
        }
    }
}
