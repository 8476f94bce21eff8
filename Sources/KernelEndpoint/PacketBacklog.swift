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

    /// Packets that the interfaces of the calling thread's namespace dropped on arrival: such a queue
    /// was full, or nobody here had a use for them.
    package static func arrivalDrops() throws(SystemError) -> Int64 {
        arrivalDrops(interfaces: try TextFile.read("/proc/thread-self/net/dev"))
    }

    /// Sums the fourth number behind the name in /proc/net/dev, below its two lines of titles.
    package static func arrivalDrops(interfaces text: String) -> Int64 {
        text.split(separator: "\n").dropFirst(2).reduce(0) { sum, line in
            guard let colon = line.firstIndex(of: ":") else { return sum }
            let numbers = line[line.index(after: colon)...].split(separator: " ")
            return numbers.count < 4 ? sum : sum + (Int64(numbers[3]) ?? 0)
        }
    }

    /// Sums the second column of /proc/net/softnet_stat, hexadecimal, one line a processor.
    package static func dropped(softnet text: String) -> Int64 {
        text.split(separator: "\n").reduce(0) { sum, line in
            let columns = line.split(separator: " ")
            return columns.count < 2 ? sum : sum + (Int64(columns[1], radix: 16) ?? 0)
        }
    }
}
