import Glibc
import LinuxSystem
import Netlink
import NetworkPrimitives
import PacketDevice
import Testing

@Suite(
    "Kernel silencer", .serialized,
    .enabled(
        if: DeviceTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"),
    .enabled(if: (try? Executable.find("nft")) != nil, "needs nft"))
struct KernelSilencerTests {
    private let ports: ClosedRange<UInt16> = 40000...40009

    @Test("the kernel sends no RST from the ports, and the device still sees the SYN")
    func silence() throws {
        let bed = try DeviceTestbed()
        for address: IPAddress in [.v4(0x0a09_0001), .v6(0xfd00 << 48, 1)] {
            let device = try PacketSocketDevice(
                "left", in: bed.a, .init(filter: .tcpDestinationPorts(ports)))
            let peer = try PacketSocketDevice("right", in: bed.b, .init(filter: .all))
            #expect(
                try DeviceTestbed.connect(from: bed.b, to: address, port: 40000) == ECONNREFUSED)
            let refused = try DeviceTestbed.collect(peer) { $0.contains(where: \.isRST) }
            #expect(refused.contains { $0.isRST })

            let silencer = try KernelSilencer(interfaces: ["left"], ports: ports, in: bed.a)
            _ = try DeviceTestbed.collect(device) { !$0.isEmpty }
            #expect(
                try DeviceTestbed.connect(from: bed.b, to: address, port: 40009) == EINPROGRESS)
            #expect(
                try DeviceTestbed.connect(from: bed.b, to: address, port: 40010) == ECONNREFUSED)
            let seen = try DeviceTestbed.collect(device) { $0.contains(where: \.isSYN) }
            #expect(seen.first?.destinationPort == 40009)

            try silencer.remove()
            #expect(
                try DeviceTestbed.connect(from: bed.b, to: address, port: 40009) == ECONNREFUSED)
        }
    }

    @Test("what was there before is there afterwards, and two live side by side")
    func restore() throws {
        let bed = try DeviceTestbed()
        let reservation = SysctlFile("net.ipv4.ip_local_reserved_ports")
        func tables() throws -> String {
            try ChildProcess.run("nft", ["list", "tables"], in: bed.a).output
        }
        try reservation.write("8080,40005", in: bed.a)
        let first = try KernelSilencer(interfaces: ["left"], ports: ports, in: bed.a)
        let second = try KernelSilencer(
            interfaces: ["left", "lo"], ports: 50000...50001, in: bed.a, suffix: "second")
        #expect(second.table == "mptcpctl-second")
        #expect(try reservation.read(in: bed.a) == "8080,40000-40009,50000-50001")
        #expect(try tables().contains(first.table) && tables().contains(second.table))
        try first.remove()
        #expect(try reservation.read(in: bed.a) == "8080,40005,50000-50001")
        #expect(try tables() == "table netdev mptcpctl-second\n")
        try second.remove()
        try second.remove()
        #expect(try reservation.read(in: bed.a) == "8080,40005")
        #expect(try tables() == "")
    }

    @Test("a missing interface and nft's refusal are told and leave nothing behind")
    func refusal() throws {
        let bed = try DeviceTestbed()
        let missing = #expect(throws: KernelSilencer.Failure.self) {
            try KernelSilencer(interfaces: ["left", "nothing"], ports: ports, in: bed.a)
        }
        #expect(missing?.description == "interface nothing: No such device")
        let refused = #expect(throws: KernelSilencer.Failure.self) {
            try KernelSilencer(interfaces: ["left"], ports: ports, in: bed.a, suffix: "not a name")
        }
        guard case .refused(let words) = refused, words.contains("syntax error") else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try ChildProcess.run("nft", ["list", "tables"], in: bed.a).output == "")
        let reservation = SysctlFile("net.ipv4.ip_local_reserved_ports")
        #expect(try reservation.read(in: bed.a) == "")
    }
}
