import KernelEndpoint
import NetworkPrimitives
import Testing

@Suite struct KernelSocketsTests {
    /// Port 5001 is 0x1389. Of its sockets one is in LAST-ACK, one established, one in TIME-WAIT,
    /// one listens; another port does not count.
    @Test func socketsThatHaveNotEndedAreCounted() {
        let text = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
               0: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
               1: 0201000A:B7C5 0109000A:1389 01 00000000:00000000 00:00000000 00000000     0
               2: 0109000A:1389 0202000A:B7C6 09 00000000:00000000 00:00000000 00000000     0
               3: 0109000A:1389 0202000A:B7C7 06 00000000:00000000 00:00000000 00000000     0
               4: 0109000A:138A 0202000A:B7C8 01 00000000:00000000 00:00000000 00000000     0
               garbage
            """
        #expect(KernelSockets.count(in: text, port: 5_001) == 2)
        #expect(KernelSockets.count(in: text, port: 5_002) == 1)
        #expect(KernelSockets.count(in: "", port: 5_001) == 0)
    }

    /// The listener, the server's end and another port are not it.
    @Test func addressesOfConnectionsAreRead() {
        let text = """
              sl  local_address rem_address   st
               0: 00000000:1389 00000000:0000 0A
               1: 0201000A:B7C5 0109000A:1389 01
               2: 0109000A:1389 0202000A:B7C6 01
               3: B80D0120000001000000000002000000:B7C8 B80D0120000009000000000001000000:1389 01
               4: 0202000A:B7C6 0109000A:138A 01
            """
        #expect(
            KernelSockets.localAddresses(in: text, connectedTo: 5_001).map(\.description)
                == ["10.0.1.2", "2001:db8:1::2"])
    }
}
