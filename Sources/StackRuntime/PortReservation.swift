internal import Glibc
internal import LinuxSystem
internal import PacketDevice

/// Ports of this namespace that belong to one stack. Two idle sockets hold each of them (of a block
/// the first): a TCP socket, so that no kernel socket takes it, and a local socket whose abstract
/// name belongs to the network namespace, so that no other stack does. Both are gone when the
/// process ends, however that comes about.
final class PortReservation {
    /// All ports that were reserved.
    private(set) var ports = PortRanges()
    private var sockets: [Holder] = []

    /// Ports in a block of ephemeral ports; blocks of several stacks do not overlap.
    static let blockSize = 512
    private static let blocks: ClosedRange<UInt16> = 40_000...49_999

    private final class Holder {
        let descriptor: OwnedDescriptor
        init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    init() {}

    /// Reserves one port.
    func reserve(_ port: UInt16) throws(StackDriverError) {
        do {
            try hold(port)
        } catch {
            throw error.code == EADDRINUSE ? .portInUse(port) : .system(error)
        }
        ports = ports.union(PortRanges([port...port]))
    }

    /// Reserves a block of ports from which connections are opened. No kernel socket may use any of
    /// them: the kernel will be kept silent on them.
    func reserveBlock() throws(StackDriverError) -> ClosedRange<UInt16> {
        let busy = Self.portsInUse()
        let count = Self.blocks.count / Self.blockSize
        let start = Int(RandomBytes.next() % UInt64(count))
        for step in 0..<count {
            let first = Int(Self.blocks.lowerBound) + (start + step) % count * Self.blockSize
            let block = UInt16(first)...UInt16(first + Self.blockSize - 1)
            if busy.contains(where: block.contains) { continue }
            do {
                try hold(block.lowerBound)
            } catch {
                if error.code == EADDRINUSE { continue }
                throw .system(error)
            }
            ports = ports.union(PortRanges([block]))
            return block
        }
        throw .noFreePorts
    }

    private func hold(_ port: UInt16) throws(SystemError) {
        try holdAgainstStacks(port)
        try holdAgainstKernel(port)
    }

    private func holdAgainstStacks(_ port: UInt16) throws(SystemError) {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = OwnedDescriptor(
            try checkedErrno(Glibc.socket(AF_UNIX, type, 0), "local socket"))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The leading zero makes the name abstract.
        let name = [0] + Array("mptcpctl-tcp-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = MemoryLayout<sa_family_t>.size + name.count
        try bind(descriptor.rawValue, &address, length, "port \(port)")
        sockets.append(Holder(descriptor))
    }

    /// Binds the port for both families, or for IPv4 where the kernel lacks IPv6. Connections of an
    /// earlier server that are in TIME-WAIT do not matter, as for every server.
    private func holdAgainstKernel(_ port: UInt16) throws(SystemError) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        var yes: Int32 = 1
        let dual = Glibc.socket(AF_INET6, type, 0)
        if dual >= 0 {
            let descriptor = OwnedDescriptor(dual)
            var no: Int32 = 0
            setsockopt(dual, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &no, 4)
            setsockopt(dual, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            try bind(
                descriptor.rawValue, &address, MemoryLayout<sockaddr_in6>.size, "port \(port)")
            sockets.append(Holder(descriptor))
            return
        }
        let descriptor = OwnedDescriptor(
            try checkedErrno(Glibc.socket(AF_INET, type, 0), "socket"))
        setsockopt(descriptor.rawValue, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        try bind(descriptor.rawValue, &address, MemoryLayout<sockaddr_in>.size, "port \(port)")
        sockets.append(Holder(descriptor))
    }

    private func bind<Address>(
        _ socket: Int32, _ address: inout Address, _ length: Int, _ what: String
    ) throws(SystemError) {
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(length))
            }
        }
        try checkedErrno(result, what)
    }

    /// Local ports of all TCP sockets of the namespace but those in TIME-WAIT: they only answer, and
    /// the kernel hears nothing on the ports of a block.
    private static func portsInUse() -> Set<UInt16> {
        var result: Set<UInt16> = []
        for file in ["tcp", "tcp6"] {
            guard let text = try? TextFile.read("/proc/thread-self/net/\(file)") else { continue }
            for line in text.split(separator: "\n").dropFirst() {
                // `sl  local_address rem_address st ...`, the address as HEX:PORT.
                let columns = line.split(separator: " ", maxSplits: 4)
                guard columns.count > 3, columns[3] != "06",
                    let colon = columns[1].lastIndex(of: ":"),
                    let port = UInt16(columns[1][columns[1].index(after: colon)...], radix: 16)
                else { continue }
                result.insert(port)
            }
        }
        return result
    }
}
