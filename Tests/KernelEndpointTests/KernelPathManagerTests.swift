import KernelEndpoint
import LinuxSystem
import NetworkPrimitives
import Scenario
import Testing

@Suite(
    "The kernel's path manager",
    .enabled("needs root and a kernel with MPTCP") { KernelNamespace.isPossible })
struct KernelPathManagerTests {
    private static let wifi = IPAddress.v4(0x0a00_0102)
    private static let lte = IPAddress.v4(0x0a00_0202)

    @Test func endpointsAreThoseThatIproute2Shows() throws {
        let namespace = try KernelNamespace()
        try namespace.run {
            let manager = try KernelPathManager()
            try manager.add(KernelPathEndpoint(Self.wifi, [.subflow]))
            try manager.add(
                KernelPathEndpoint(
                    Self.lte, [.subflow, .backup], interface: InterfaceID(1)))
            try manager.add(
                KernelPathEndpoint(IPAddress.v6(0x2001_0db8 << 32, 7), [.signal]))
            try manager.setLimits(subflows: 3, acceptedAddresses: 2)
            let found = try manager.endpoints()
            #expect(found.map(\.address.description) == ["10.0.1.2", "10.0.2.2", "2001:db8::7"])
            #expect(found[1].flags == [.subflow, .backup])
            #expect(found[1].interface == InterfaceID(1))
            #expect(Set(found.map(\.identifier)).count == 3)
        }
        let shown = try namespace.ip("mptcp endpoint show")
        #expect(shown.contains("10.0.1.2 id 1 subflow"))
        #expect(shown.contains("10.0.2.2 id 2 subflow backup dev lo"))
        #expect(shown.contains("2001:db8::7 id 3 signal"))
        #expect(
            try namespace.ip("mptcp limits show").contains(
                "add_addr_accepted 2 subflows 3"))
        try namespace.run {
            let manager = try KernelPathManager()
            try manager.setBackup(false, identifier: 2)
            #expect(try manager.endpoints()[1].flags == [.subflow])
            try manager.giveUp(Self.wifi)
            #expect(
                try manager.endpoints().map(\.address) == [Self.lte, .v6(0x2001_0db8 << 32, 7)])
            try manager.flush()
            #expect(try manager.endpoints() == [])
        }
    }

    /// Lost SYNs of one run must not make plain TCP of the next.
    @Test func aHandoverRemembersNoBlackhole() throws {
        let namespace = try KernelNamespace()
        try namespace.run {
            let blackhole = KernelSetting.blackholeTimeout
            guard (try? blackhole.value()) != nil else { return }
            try blackhole.set("3600")
            try KernelPathManager().prepare()
            #expect(try blackhole.value() == "0")
        }
    }

    @Test func errorsCarryTheCommand() throws {
        let namespace = try KernelNamespace()
        try namespace.run {
            let manager = try KernelPathManager()
            try manager.add(KernelPathEndpoint(Self.wifi, [.subflow]))
            let error = #expect(throws: SystemError.self) {
                try manager.add(KernelPathEndpoint(Self.wifi, [.subflow]))
            }
            #expect(error?.call == "ip mptcp endpoint add 10.0.1.2")
            #expect(error?.code == 17)
        }
    }
}
