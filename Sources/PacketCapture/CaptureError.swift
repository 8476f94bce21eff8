/// Why a capture could not be read, written or made.
package struct CaptureError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The file could not be opened or read.
        case unreadable
        /// The file is not a capture.
        case notACapture
        /// Frames of a kind in which no packets can be found.
        case unsupportedLinkType
        /// The file could not be written.
        case unwritable
        /// There is no such interface.
        case noInterface
        /// The interface is down: the kernel captures nothing then.
        case interfaceDown
        /// The interface went away during the capture.
        case interfaceVanished
        /// CAP_NET_RAW is missing.
        case notPermitted
        /// The capture failed.
        case failed
    }

    package var kind: Kind
    /// The file or the interface.
    package var subject: String
    /// What happened, in the words of the system or of libpcap.
    package var detail: String

    package init(_ kind: Kind, _ subject: String, _ detail: String) {
        self.kind = kind
        self.subject = subject
        self.detail = detail
    }

    /// What to do about it; `nil` where nothing general can be said.
    package var suggestion: String? {
        switch kind {
        case .unreadable: nil
        case .notACapture:
            "give a pcap or pcapng file; a compressed one must be unpacked first"
        case .unsupportedLinkType:
            "capture on an Ethernet, raw IP or loopback interface, or with -i any"
        case .unwritable: nil
        case .noInterface: "see: ip link"
        case .interfaceDown: "bring it up first: ip link set \(subject) up"
        case .interfaceVanished: nil
        case .notPermitted: "run as root or with CAP_NET_RAW"
        case .failed: nil
        }
    }
}

extension CaptureError: CustomStringConvertible {
    /// `a.pcap: unknown file format; give a pcap or pcapng file`.
    package var description: String {
        "\(subject): \(detail)" + (suggestion.map { "; " + $0 } ?? "")
    }
}
