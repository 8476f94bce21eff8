internal import KernelEndpoint
internal import LinuxSystem
internal import Scenario
internal import Testbed
internal import Topology

extension TestbedController {
    /// Prepares the path manager of each end that is the kernel's; that of a server announces the
    /// topology's addresses.
    func prepareKernelEnds(client: EndpointKind, server: EndpointKind) throws {
        for (kind, host) in [(client, TestbedHost.client), (server, .server)]
        where kind == .kernel {
            try NamespaceThread.run(in: namespace(host)) {
                let manager = try KernelPathManager()
                try manager.prepare()
                guard host == .server else { return }
                for address in topology.announcedAddresses {
                    try manager.add(KernelPathEndpoint(address, .signal))
                }
            }
        }
    }
}
