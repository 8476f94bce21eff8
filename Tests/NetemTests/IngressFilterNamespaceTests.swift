import LinkModel
import LinuxSystem
import Netlink
import NetworkPrimitives
import Testbed
import Testing
import Topology

/// The way of frames between two interfaces without netem: for kernels that have the filters only.
@Suite(
    "Ingress filters", .serialized,
    .enabled(
        if: EmulatedLink.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct IngressFilterNamespaceTests {
    @Test("frames are redirected, dropped by a filter that comes first, and redirected again")
    func redirectAndDrop() throws {
        let bed = try EmulatedLink(LinkProfile(rate: nil, oneWayDelay: .zero))
        let control = bed.linksControl
        guard try redirect(control) else {
            // Then this is all that can be said here; the virtual machine has them.
            #expect(NetemLinkEmulator.obstacle() != nil)
            return
        }
        try bed.sendUp(1, frame: 100)
        try bed.sendDown(2, frame: 100)
        #expect(try bed.routerSocket.drain().map(\.number) == [1])
        #expect(try bed.clientSocket.drain().map(\.number) == [2])

        try control.addIngressFilter(.drop, priority: 1, on: "path0-c")
        try bed.sendUp(3, frame: 100)
        try bed.sendDown(4, frame: 100)
        #expect(try bed.routerSocket.drain().isEmpty)
        #expect(try bed.clientSocket.drain().map(\.number) == [4])
        let again = #expect(throws: NetlinkError.self) {
            try control.addIngressFilter(.drop, priority: 1, on: "path0-c")
        }
        #expect(again?.reason == .alreadyExists)

        try control.removeIngressFilter(priority: 1, on: "path0-c")
        try bed.sendUp(5, frame: 100)
        #expect(try bed.routerSocket.drain().map(\.number) == [5])

        try control.removeIngressQueue(on: "path0-c")
        try bed.sendUp(6, frame: 100)
        #expect(try bed.routerSocket.drain().isEmpty)
        let gone = #expect(throws: NetlinkError.self) {
            try control.removeIngressFilter(priority: 10, on: "path0-c")
        }
        #expect(gone?.command == "tc filter delete dev path0-c ingress protocol all prio 10")
    }

    /// Both ways; `false` when the kernel lacks what it takes.
    private func redirect(_ control: RouteController) throws -> Bool {
        do {
            for (from, to) in [("path0-c", "path0-r"), ("path0-r", "path0-c")] {
                try control.addIngressQueue(on: from)
                try control.addIngressFilter(.redirect(to: to), priority: 10, on: from)
            }
            return true
        } catch {
            if error.reason == .notSupported { return false }
            throw error
        }
    }

    @Test("a profile that netem cannot have is refused before anything is touched")
    func unsuitable() throws {
        var profile = LinkProfile(
            rate: BitRate(bitsPerSecond: 1_000_000), oneWayDelay: .milliseconds(1))
        profile.jitter = .seconds(3)
        let bed = try EmulatedLink(profile)
        let error = #expect(throws: TestbedError.self) { try bed.emulate() }
        #expect(error?.description == "start netem on path0: netem takes no jitter above 2000.0 ms")
        #expect(try !bed.linksControl.queues().contains { $0.kind == "netem" })
    }

    @Test("a kernel without netem is told from one with it")
    func availability() throws {
        let bed = try EmulatedLink(LinkProfile(rate: nil, oneWayDelay: .milliseconds(1)))
        if let obstacle = NetemLinkEmulator.obstacle() {
            #expect(obstacle.hasPrefix("this kernel has no "), "\(obstacle)")
            #expect(throws: TestbedError.self) { try bed.emulate() }
        } else {
            try bed.emulate().stop()
        }
    }
}
