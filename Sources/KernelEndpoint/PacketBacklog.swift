package import LinuxSystem

/// The queues in which the kernel keeps packets for its processors, one each, whatever namespace the
/// packets belong to (net.core.netdev_max_backlog).
package enum PacketBacklog {
    /// The counter's name beside those of /proc/net/netstat.
    package static let counterName = "SoftnetDropped"

    /// Packets that were dropped since the start because such a queue was full.
    package static func dropped() throws(SystemError) -> Int64 {
        dropped(softnet: try TextFile.read("/proc/net/softnet_stat"))
    }

    /// Sums the second column of /proc/net/softnet_stat, hexadecimal, one line a processor.
    package static func dropped(softnet text: String) -> Int64 {
        text.split(separator: "\n").reduce(0) { sum, line in
            let columns = line.split(separator: " ")
            return columns.count < 2 ? sum : sum + (Int64(columns[1], radix: 16) ?? 0)
        }
    }
}
