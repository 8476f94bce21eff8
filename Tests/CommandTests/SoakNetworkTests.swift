import LinuxSystem
import Scenario
import Testing

/// A soak is over the network that its file describes, and between the stacks that it names.
@Suite struct SoakNetworkTests {
    private func soak(_ arguments: String...) throws -> (ChildProcess.Outcome, JSONValue) {
        let outcome = try ChildProcess.run(
            Tool.path, ["soak", "--quiet", "--format", "json", "--seed", "5"] + arguments)
        return (outcome, (try? JSONValue(parsing: outcome.output)) ?? .null)
    }

    @Test(arguments: ["--client", "--server"])
    func theKernelIsNotSimulated(option: String) throws {
        let (outcome, _) = try soak("--backend", "simulation", "--duration", "9s", option, "kernel")
        #expect(outcome.exit == .code(2))
        #expect(outcome.error.contains("\(option): the kernel's stack does not run"))
        #expect(outcome.output.isEmpty)
    }

    /// The second path has the other family: it is used only if the server announces its address.
    @Test func theOtherFamilyIsAnnounced() throws {
        let (outcome, result) = try soak(
            "wifi-v6-lte-v4", "--backend", "simulation", "--duration", "10s")
        #expect(outcome.exit == .code(0), "\(outcome.error) \(result["complaints"]?.compact ?? "")")
        #expect((result["joins"]?.asInteger ?? 0) >= 1)
    }

    @Test(
        .enabled(if: Tool.mayBuildNetworks && Tool.hasKernelMPTCP, "needs root, nft, kernel MPTCP"))
    func theKernelsServerAnnouncesInNamespaces() throws {
        let (outcome, result) = try soak(
            "wifi-v6-lte-v4", "--backend", "netns", "--duration", "6s", "--flap", "1s", "--server",
            "kernel")
        #expect(outcome.exit == .code(0), "\(outcome.error) \(result["complaints"]?.compact ?? "")")
    }

    /// Boxes of the file are there, and a path without a subflow is no soak.
    @Test func aPathThatNeverHadASubflowFails() throws {
        try Tool.withTemporaryDirectory { directory in
            let file = "\(directory)/stubborn.yaml"
            try TextFile.write(
                """
                name: stubborn
                paths:
                  - name: wifi
                    client: 10.0.1.2/24
                    router: 10.0.1.1
                    rate: 10 Mbit/s
                    rtt: 15 ms
                  - name: lte
                    client: 10.0.2.2/24
                    router: 10.0.2.1
                    rate: 10 Mbit/s
                    rtt: 25 ms
                    middleboxes:
                      - box: options
                        options: [mp-join]
                        segments: [syn]
                server:
                  address: 10.0.9.1/24
                  router: 10.0.9.254

                """, to: file)
            let (outcome, result) = try soak(
                file, "--backend", "simulation", "--duration", "10s", "--flap", "1s")
            #expect(outcome.exit == .code(1))
            let complaints = result["complaints"]?.compact ?? ""
            #expect(complaints.contains("path 'lte' never had a subflow"), "\(complaints)")
        }
    }
}
