import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing

enum BreakKind: CaseIterable { case linkDown, silent, addressRemoved }
enum WorkloadKind: CaseIterable { case bulk, stream, requestResponse }

/// The handovers of the experiment: WiFi (50 Mbit/s, 20 ms) breaks, LTE (20 Mbit/s, 60 ms) is there
/// as a backup or comes up 200 ms later.
@Suite struct HandoverScenarios {
    static let breakAt = 510
    static let makeAfter = 200

    struct Result {
        /// `ready` -> first new octet in order at the receiver.
        var resume: Duration
        /// The longest time without a new octet, less the workload's own largest gap.
        var outage: Duration
        var network: TwoPathNetwork
    }

    /// - Parameter slowdown: By how much less than usual links and bulk transfers carry: the same story
    ///   with fewer packets, for whom the packets of a transfer do not matter.
    func run(
        makeFirst: Bool, _ kind: BreakKind, isUpload: Bool, _ workload: WorkloadKind,
        families: TwoPathNetwork.Families = .v4, join: JoinVariant = .standard,
        serverJoin: JoinVariant? = nil, slowdown: Int = 1,
        shaping: (inout TwoPathNetwork.Shape) -> Void = { _ in },
        prepare: (TwoPathNetwork) -> Void = { _ in }
    ) -> Result {
        let total: Int =
            switch workload {
            case .bulk: 4_000_000 / slowdown
            case .stream: 200 * 75
            case .requestResponse: 1_000 * 40
            }
        var shape: TwoPathNetwork.Shape = makeFirst ? .init() : .breakBeforeMake
        shape.families = families
        shape.client.connection.fastJoin.variant = join
        shape.server.connection.fastJoin.variant = serverJoin ?? join
        for path in [\TwoPathNetwork.Shape.wifi, \.lte] {
            shape[keyPath: path].rate = shape[keyPath: path].rate.map {
                BitRate(bitsPerSecond: $0.bitsPerSecond / Int64(slowdown))
            }
        }
        shaping(&shape)
        let network = TwoPathNetwork(
            shape,
            upload: isUpload || workload == .requestResponse ? total : 0,
            download: !isUpload || workload == .requestResponse ? total : 0)
        prepare(network)
        drive(network, workload, isUpload: isUpload)
        network.at(Self.breakAt) { self.strike($0, kind) }
        var ready = Self.breakAt
        if !makeFirst {
            ready += Self.makeAfter
            network.at(ready) { $0.setInterface(1, isUp: true) }
        }
        network.run(.seconds(60))
        let app = isUpload ? network.serverApp : network.clientApp
        let readyInstant = Instant(nanoseconds: Int64(ready) * 1_000_000)
        let resume = app.firstArrival(after: readyInstant).map { $0 - readyInstant }
        let steady = Self.largestGap(app, until: Self.breakAt)
        return Result(
            resume: resume ?? .seconds(60), outage: app.largestGap.length - steady,
            network: network)
    }

    private static func largestGap(_ app: Application, until milliseconds: Int) -> Duration {
        var last: Instant?
        var largest = Duration.zero
        for arrival in app.arrivals
        where arrival.time.nanoseconds < Int64(milliseconds) * 1_000_000 {
            if let last { largest = max(largest, arrival.time - last) }
            last = arrival.time
        }
        return largest
    }

    private func drive(_ network: TwoPathNetwork, _ workload: WorkloadKind, isUpload: Bool) {
        switch workload {
        case .bulk: break
        case .stream:
            let sender = isUpload ? network.client : network.server
            if isUpload { network.clientApp.released = 0 } else { network.serverApp.released = 0 }
            for record in 0..<75 {
                network.at(100 + 20 * record) { $0.release(sender, 200) }
            }
        case .requestResponse:
            network.clientApp.released = 1_000
            network.serverApp.released = 0
            network.onRead = { network, host in
                let isClient = host == network.client
                let received =
                    isClient ? network.clientApp.received : network.serverApp.received
                guard received > 0, received % 1_000 == 0 else { return }
                if isClient {
                    network.clientApp.released = min(received + 1_000, network.clientApp.total)
                } else {
                    network.serverApp.released = received
                }
            }
        }
    }

    private func strike(_ network: TwoPathNetwork, _ kind: BreakKind) {
        switch kind {
        case .linkDown: network.setInterface(0, isUp: false)
        case .silent: network.cut(0)
        case .addressRemoved:
            network.simulation.perform(network.client) {
                $0.giveUpAddress(network.families.wifi, now: network.simulation.now)
            }
        }
    }

    /// The limits of the metrics: half, one, two and a half, two round trips of LTE.
    private func limit(makeFirst: Bool, isUpload: Bool) -> Duration {
        switch (makeFirst, isUpload) {
        case (true, true): .milliseconds(30)
        case (true, false): .milliseconds(60)
        case (false, true): .milliseconds(150)
        case (false, false): .milliseconds(120)
        }
    }

    @Test(arguments: [true, false], [true, false])
    func streamResumesAtTheLimit(makeFirst: Bool, isUpload: Bool) {
        let result = run(makeFirst: makeFirst, .linkDown, isUpload: isUpload, .stream)
        result.network.expectIntact()
        let limit = limit(makeFirst: makeFirst, isUpload: isUpload)
        #expect(result.resume <= limit + .milliseconds(5))
    }

    /// What the receiver has already may be sent first: at most one round trip more.
    @Test(arguments: [true, false], [true, false])
    func bulkResumesAtTheLimit(makeFirst: Bool, isUpload: Bool) {
        let result = run(makeFirst: makeFirst, .linkDown, isUpload: isUpload, .bulk)
        result.network.expectIntact()
        let limit = limit(makeFirst: makeFirst, isUpload: isUpload)
        #expect(result.resume <= limit + .milliseconds(65))
    }

    /// Nobody is told: the DATA_ACKs that do not come tell. Linux takes about 500 ms.
    @Test(arguments: WorkloadKind.allCases, [true, false])
    func silentBreakWithBackup(workload: WorkloadKind, isUpload: Bool) {
        let result = run(makeFirst: true, .silent, isUpload: isUpload, workload)
        result.network.expectIntact()
        #expect(result.outage <= .milliseconds(workload == .bulk ? 165 : 150))
    }

    /// In a silent break the arrival of LTE is what starts the join; what hangs on WiFi follows as
    /// soon as the join is complete.
    @Test(arguments: WorkloadKind.allCases, [true, false])
    func silentBreakBeforeMake(workload: WorkloadKind, isUpload: Bool) {
        let result = run(makeFirst: false, .silent, isUpload: isUpload, workload)
        result.network.expectIntact()
        var limit = limit(makeFirst: false, isUpload: isUpload) + .milliseconds(5)
        if workload == .bulk { limit += .milliseconds(60) }
        // A request that waits at the client has to come first, and the answer after it.
        if workload == .requestResponse, !isUpload { limit += .milliseconds(60) }
        #expect(result.resume <= limit)
    }

    /// An address given up while its path works: the application does not notice.
    @Test(arguments: WorkloadKind.allCases, [true, false])
    func addressRemovedWithBackup(workload: WorkloadKind, isUpload: Bool) {
        let result = run(makeFirst: true, .addressRemoved, isUpload: isUpload, workload)
        result.network.expectIntact()
        #expect(result.outage <= .milliseconds(100))
        #expect(result.network.first("address_removed_by_peer", result.network.server) != nil)
    }

    @Test(arguments: [true, false], [true, false])
    func requestResponseLinkDown(makeFirst: Bool, isUpload: Bool) {
        let result = run(makeFirst: makeFirst, .linkDown, isUpload: isUpload, .requestResponse)
        result.network.expectIntact()
        // Upload limit plus one round trip for a response.
        let limit = limit(makeFirst: makeFirst, isUpload: true) + .milliseconds(65)
        #expect(result.resume <= limit)
    }

    @Test(arguments: WorkloadKind.allCases, [true, false])
    func addressRemovedBeforeMake(workload: WorkloadKind, isUpload: Bool) {
        let result = run(makeFirst: false, .addressRemoved, isUpload: isUpload, workload)
        result.network.expectIntact()
        #expect(result.resume <= .milliseconds(215))
    }
}
