package import WireFormat

/// What a pcapng file says of an interface (Interface Description Block).
package struct CaptureInterface: Hashable, Sendable {
    /// Its name, if it has one: `client-wifi0`.
    package var name: String?
    /// What it is, for people.
    package var summary: String?
    package var linkType: LinkType
    /// The most that is kept of a frame; 0 is no limit.
    package var snapshotLength: Int
    /// The section of a file that was read which describes it, from 0 on.
    package var section = 0

    package init(
        name: String?, summary: String? = nil, linkType: LinkType = .ethernet,
        snapshotLength: Int = 0
    ) {
        self.name = name
        self.summary = summary
        self.linkType = linkType
        self.snapshotLength = snapshotLength
    }
}

/// What a pcapng file says of itself (options of the Section Header Block).
package struct CaptureSection: Hashable, Sendable {
    /// What the capture is of.
    package var comment: String
    package var system: String
    package var application: String

    package init(comment: String, system: String, application: String) {
        self.comment = comment
        self.system = system
        self.application = application
    }
}
