import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing

@Suite struct BasicScenarios {
    @Test func bulkBothWaysOverTwoPaths() {
        let network = TwoPathNetwork(.full, upload: 3_000_000, download: 3_000_000)
        network.run(.seconds(60))
        network.expectIntact()
    }

    @Test func emptyConnection() {
        let network = TwoPathNetwork(upload: 0, download: 0)
        network.run(.seconds(60))
        network.expectIntact()
    }
}
