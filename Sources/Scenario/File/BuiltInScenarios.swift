/// The files of `Resources/`, which are built into the program. A test keeps the list whole.
package enum BuiltInScenarios {
    /// The content by name, sorted.
    package static let texts: [(name: String, text: String)] = [
        ("cellnet12", text(PackageResources.cellnet12_yaml)),
        ("h1-follow-client", text(PackageResources.h1_follow_client_yaml)),
        ("h10-ping-pong", text(PackageResources.h10_ping_pong_yaml)),
        ("h2-oracle", text(PackageResources.h2_oracle_yaml)),
        ("h3-loss-threshold", text(PackageResources.h3_loss_threshold_yaml)),
        ("h4-idle-bit", text(PackageResources.h4_idle_bit_yaml)),
        ("h5-fast-join", text(PackageResources.h5_fast_join_yaml)),
        ("h6-link-down-event", text(PackageResources.h6_link_down_event_yaml)),
        ("h7-voip", text(PackageResources.h7_voip_yaml)),
        ("h8-ios-threshold", text(PackageResources.h8_ios_threshold_yaml)),
        ("h9-remove-addr-lost", text(PackageResources.h9_remove_addr_lost_yaml)),
        ("issue-206", text(PackageResources.issue_206_yaml)),
        ("issue-240", text(PackageResources.issue_240_yaml)),
        ("issue-315", text(PackageResources.issue_315_yaml)),
        ("issue-430", text(PackageResources.issue_430_yaml)),
        ("issue-440", text(PackageResources.issue_440_yaml)),
        ("issue-554", text(PackageResources.issue_554_yaml)),
        ("issue-576", text(PackageResources.issue_576_yaml)),
        ("issue-581", text(PackageResources.issue_581_yaml)),
        ("issue-593", text(PackageResources.issue_593_yaml)),
        ("issue-616", text(PackageResources.issue_616_yaml)),
        ("mptcp-155", text(PackageResources.mptcp_155_yaml)),
        ("mptcp-316", text(PackageResources.mptcp_316_yaml)),
        ("mptcp-383", text(PackageResources.mptcp_383_yaml)),
        ("mptcp-78", text(PackageResources.mptcp_78_yaml)),
        ("satellite", text(PackageResources.satellite_yaml)),
        ("sigcomm20-backup", text(PackageResources.sigcomm20_backup_yaml)),
    ]

    /// The scenario of a name, or of its part before the first hyphen where that names one only.
    package static func find(_ name: String) -> (name: String, text: String)? {
        if let exact = texts.first(where: { $0.name == name }) { return exact }
        let longer = texts.filter { $0.name.hasPrefix(name + "-") }
        return longer.count == 1 ? longer[0] : nil
    }

    private static func text(_ octets: [UInt8]) -> String {
        String(decoding: octets, as: UTF8.self)
    }
}
