import NetworkPrimitives
import Testing

@testable import MPTCP

/// The oracle's arithmetic (fast-join, 2.4), with numbers computed by hand.
@Suite("Path oracle") struct PathOracleTests {
    private func loss(_ lost: Int, of outstanding: Int) -> PathOracle.Sight {
        PathOracle.Sight(lost: lost, outstanding: outstanding)
    }

    @Test func losses() {
        var oracle = PathOracle()
        let thresholds = OracleThresholds()
        // Product 0, volume 10 / 2.
        #expect(oracle.look(loss(0, of: 10), thresholds) == nil)
        #expect(oracle.loss.value == 0)
        // (6 + 0) / 2 = 3 of (10 + 5) / 2 = 7.5.
        #expect(oracle.look(loss(6, of: 10), thresholds) == .oracleLoss)
        #expect(abs(oracle.loss.value - 0.4) < 1e-12)
        // Nothing on its way says nothing.
        #expect(oracle.look(loss(0, of: 0), thresholds) == nil)
        #expect(abs(oracle.loss.value - 0.4) < 1e-12)
        // (3 + 3) / 2 = 3 of (10 + 7.5) / 2 = 8.75: too much, and less than before.
        #expect(oracle.look(loss(3, of: 10), thresholds) == nil)
        #expect(abs(oracle.loss.value - 12.0 / 35) < 1e-12)
        // (10 + 3) / 2 = 6.5 of (10 + 8.75) / 2 = 9.375.
        #expect(oracle.look(loss(10, of: 10), thresholds) == .oracleLoss)
        #expect(abs(oracle.loss.value - 6.5 / 9.375) < 1e-12)
    }

    /// A large old volume outweighs a small new one: (1 + 0) / 2 of (1 + 50) / 2.
    @Test func volumesWeigh() {
        var oracle = PathOracle()
        #expect(oracle.look(loss(0, of: 100), OracleThresholds()) == nil)
        #expect(oracle.look(loss(1, of: 1), OracleThresholds()) == nil)
        #expect(abs(oracle.loss.value - 0.5 / 25.5) < 1e-12)
    }

    @Test func retransmissions() {
        var oracle = PathOracle()
        func look(_ retransmitted: Int, _ sent: Int) -> SuspicionReason? {
            oracle.look(
                PathOracle.Sight(retransmitted: retransmitted, sent: sent), OracleThresholds())
        }
        #expect(look(2, 10) == nil)
        #expect(abs(oracle.retransmission.value - 0.2) < 1e-12)
        // (9 + 1) / 2 = 5 of (10 + 5) / 2 = 7.5.
        #expect(look(9, 10) == .oracleRetransmission)
        #expect(abs(oracle.retransmission.value - 2.0 / 3) < 1e-12)
    }

    @Test func timeouts() {
        var oracle = PathOracle()
        func look(_ milliseconds: Int) -> SuspicionReason? {
            oracle.look(
                PathOracle.Sight(timeout: .milliseconds(milliseconds)), OracleThresholds())
        }
        #expect(
            [1_400, 1_600, 1_600, 3_200, 200, 1_500].map(look) == [
                nil, .oracleTimeout, nil, .oracleTimeout, nil, .oracleTimeout,
            ])
    }

    /// The loss is told, whatever else is wrong; thresholds can be others.
    @Test func theFirstReasonIsTold() {
        let bad = PathOracle.Sight(
            lost: 1, outstanding: 10, retransmitted: 10, sent: 10, timeout: .seconds(4))
        var oracle = PathOracle()
        #expect(oracle.look(bad, OracleThresholds()) == .oracleRetransmission)
        var thresholds = OracleThresholds()
        thresholds.loss = 0.1
        oracle = PathOracle()
        #expect(oracle.look(bad, thresholds) == .oracleLoss)
    }
}
