import NetworkPrimitives
import Testing
import Topology

@Suite("Plans")
struct TestbedPlanTests {
    @Test(
        "each file's plan is the checked-in one",
        arguments: BuiltInTestbeds.texts.map(\.name), EmulationKind.allCases)
    func snapshot(name: String, emulation: EmulationKind) throws {
        let text = try #require(BuiltInTestbeds.text(named: name))
        let plan = TestbedPlan(
            try Topology(parsing: text, file: name), emulation: emulation)
        let lines = plan.commands { $0.rawValue }
        let directory = #filePath.split(separator: "/").dropLast().joined(separator: "/")
        let file = "/\(directory)/Snapshots/\(name)-\(emulation.rawValue).txt"
        let expected = RepositoryFiles.read(file)
        #expect(
            expected == lines.joined(separator: "\n") + "\n",
            "\(file) differs from 'mptcpctl testbed up --dry-run'")
    }

    @Test("everything that outlives its interface has an inverse, in the right order")
    func inverses() throws {
        let text = try #require(BuiltInTestbeds.text(named: "wifi-lte"))
        let plan = TestbedPlan(try Topology(parsing: text, file: ""), emulation: .relay)
        let undo = plan.steps.compactMap(\.undo)
        #expect(undo.filter { if case .deleteNamespace = $0 { true } else { false } }.count == 4)
        #expect(undo.last == .stopLinks)
        #expect(plan.links.map(\.clientEnd) == ["wifi0-c", "lte0-c"])
        #expect(plan.links.map(\.routerEnd) == ["wifi0-r", "lte0-r"])
    }

    @Test("what the kernel forgets with a link, and only that")
    func forgotten() throws {
        let text = try #require(BuiltInTestbeds.text(named: "wifi-lte"))
        let plan = TestbedPlan(try Topology(parsing: text, file: ""), emulation: .relay)
        let routes = plan.clientRoutes(path: 1)
        #expect(routes.map(\.table) == [102, 254])
        #expect(routes.allSatisfy { $0.hop?.interface == "lte0" })
        let neighbours = plan.neighbourSteps(path: 1)
        #expect(neighbours.count == 2)
        #expect(
            neighbours.first
                == .addNeighbour(
                    .client, interface: "lte0", .v4(0x0a00_0201),
                    hardwareAddress: [2, 0x4d, 0x50, 0, 1, 2]))
    }
}
