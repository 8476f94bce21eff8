import Foundation
import HostStack
import LinkModel
import MPTCP
import NetworkPrimitives
import NetworkSimulation
import Testing
import WireFormat

/// Operation sequences against stacks whose packets are changed on the way at random, with right
/// checksums: nothing may trap, no invariant may break, nobody may be busy without end. The bytes
/// may be wrong: the attacker sits on the path. `MPTCPCTL_FUZZ` sets the count.
@Suite struct HostilePeers {
    static let count =
        ProcessInfo.processInfo.environment["MPTCPCTL_FUZZ"].flatMap { Int($0) } ?? 400
    static let chunks = 4

    @Test(arguments: 0..<chunks)
    func nothingBreaks(chunk: Int) {
        for number in 0..<Self.count where number % Self.chunks == chunk {
            let seed = UInt64(number) &* 104_729 &+ 5
            let network = network(seed)
            network.run(.seconds(20))
            let violations = network.violationsSoFar
            #expect(violations.isEmpty, "seed \(seed): \(violations)")
            #expect(network.simulation.steps < 60_000, "seed \(seed) is busy")
        }
    }

    func network(_ seed: UInt64) -> TwoPathNetwork {
        var generator = SeededGenerator(seed: seed)
        var shape = TwoPathNetwork.Shape()
        shape.wifi.oneWayDelay = .milliseconds(5)
        shape.lte.oneWayDelay = .milliseconds(8)
        shape.client.connection.policy =
            SwitchPolicy.allCases.randomElement(using: &generator) ?? .full
        shape.client.connection.usesChecksum = Int.random(in: 0..<4, using: &generator) == 0
        shape.client.connection.scheduler =
            SchedulerKind.allCases.randomElement(using: &generator) ?? .lowestRTT
        shape.server.connection.scheduler = shape.client.connection.scheduler
        shape.client.connection.opportunisticRetransmission = Bool.random(using: &generator)
        shape.client.connection.versions =
            VersionPolicy.allCases.randomElement(using: &generator) ?? .v1
        shape.server.connection.versions = .any
        shape.client.connection.graceTime = .seconds(2)
        shape.server.connection.graceTime = .seconds(2)
        shape.server.connection.announcedAddresses = [IPAddress.v4(0x0a00_0902)]
        let network = TwoPathNetwork(
            shape, upload: Int.random(in: 0...60_000, using: &generator),
            download: Int.random(in: 0...60_000, using: &generator), seed: seed)
        network.invariantStride = 4
        network.stepLimit = 60_000
        // Most handshakes are left alone, or nothing would ever be established.
        let start = Int64.random(in: 0...60, using: &generator)
        let rate = Int.random(in: 2...30, using: &generator)
        var mutator = Mutator(generator: generator.split())
        network.simulation.middlebox = { [unowned network] packet, _, _ in
            let now = network.simulation.now
            guard now > network.milliseconds(start), now < network.milliseconds(8_000),
                Int.random(in: 0..<rate, using: &mutator.generator) == 0
            else { return [packet] }
            return mutator.mutate(packet)
        }
        for _ in 0..<Int.random(in: 0...12, using: &generator) {
            command(network, at: Int.random(in: 1...3_000, using: &generator), &generator)
        }
        return network
    }

    private func command(
        _ network: TwoPathNetwork, at time: Int, _ generator: inout SeededGenerator
    ) {
        let kind = Int.random(in: 0..<14, using: &generator)
        let path = Int.random(in: 0...1, using: &generator)
        let flag = Bool.random(using: &generator)
        let address = path == 0 ? TwoPathNetwork.wifiAddress : TwoPathNetwork.lteAddress
        network.at(time) { network in
            let now = network.simulation.now
            let host = flag ? network.client : network.server
            switch kind {
            case 0...3: network.setInterface(path, isUp: flag)
            case 4, 5: network.cut(path, flag)
            case 6:
                network.simulation.perform(network.client) {
                    $0.giveUpAddress(address, now: now)
                }
            case 7, 8:
                network.simulation.perform(host) {
                    let isOurs = host == network.client
                    $0.setBackup(
                        flag, address: isOurs ? address : TwoPathNetwork.serverEndpoint.address,
                        now: now)
                }
            case 9:
                let handle = flag ? network.clientApp.handle : network.serverApp.handle
                guard let handle else { return }
                network.simulation.perform(host) { $0.abort(handle, now: now) }
            case 10: network.serverApp.isPaused = flag
            case 11: network.clientApp.isPaused = flag
            default: network.simulation.perform(host) { _ in network.pump(host) }
            }
        }
    }
}

/// Changes packets at random, and makes some up.
struct Mutator {
    var generator: SeededGenerator

    mutating func mutate(_ packet: [UInt8]) -> [[UInt8]] {
        guard var segment = try? Segment(parsing: packet) else { return [packet] }
        let original = segment
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: segment.header.sequence = near(segment.header.sequence)
        case 1: segment.header.acknowledgment = near(segment.header.acknowledgment)
        case 2:
            segment.header.flags = TCPFlags(rawValue: UInt8.random(in: 0...63, using: &generator))
        case 3: segment.header.window = UInt16.random(in: 0 ... .max, using: &generator)
        case 4: segment.header.options.timestamps = randomTimestamps(segment)
        case 5: segment.header.options.sack = randomBlocks(segment)
        case 6, 7: mutateDSS(&segment)
        case 8: segment.header.options.mptcp = [randomOption()]
        case 9:
            if !segment.payload.isEmpty {
                segment.payload.removeLast(
                    Int.random(in: 1...segment.payload.count, using: &generator))
            } else {
                segment.payload = (0..<Int.random(in: 1...1_400, using: &generator)).map {
                    UInt8(truncatingIfNeeded: $0)
                }
            }
        case 10: segment.stripMPTCP()
        default:
            segment.header.options.maximumSegmentSize = UInt16.random(
                in: 0 ... .max, using: &generator)
            segment.header.options.windowScale = UInt8.random(in: 0 ... .max, using: &generator)
        }
        segment.payloadLength = segment.payload.count
        guard segment.header.options.fits else { return [packet] }
        let changed = segment.encodedPacket()
        return Bool.random(using: &generator) ? [changed] : [changed, original.encodedPacket()]
    }

    private mutating func near(_ number: SequenceNumber) -> SequenceNumber {
        let steps = [
            -1, 1, -1_000, 1_000, -100_000, 5_000_000, 1 << 31, Int(generator.next() >> 33),
        ]
        return number + (steps.randomElement(using: &generator) ?? 0)
    }

    private mutating func randomTimestamps(_ segment: Segment) -> Timestamps? {
        guard var stamps = segment.header.options.timestamps else { return nil }
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: return nil
        case 1: stamps.value = stamps.value &+ UInt32(truncatingIfNeeded: generator.next() >> 40)
        default: stamps.echo = UInt32(truncatingIfNeeded: generator.next())
        }
        return stamps
    }

    private mutating func randomBlocks(_ segment: Segment) -> SACKBlocks {
        var blocks = SACKBlocks()
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let left = near(segment.header.acknowledgment)
            blocks.append(
                SACKBlock(
                    left: left, right: left + Int.random(in: -2_000...60_000, using: &generator)))
        }
        return blocks
    }

    private mutating func mutateDSS(_ segment: inout Segment) {
        var dss = segment.header.options.dss ?? DSS()
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: dss.dataACK = number(dss.dataACK)
        case 1:
            let changed = number(dss.mapping?.dataSequenceNumber)
            dss.mapping?.dataSequenceNumber = changed
        case 2:
            let step = UInt32(truncatingIfNeeded: generator.next())
            dss.mapping?.subflowSequenceNumber &+= step % 2 == 0 ? 1 : step
        case 3: dss.mapping?.length = UInt16(truncatingIfNeeded: generator.next())
        case 4: dss.isDataFIN.toggle()
        case 5: dss.mapping?.checksum = UInt16(truncatingIfNeeded: generator.next())
        case 6:
            dss.mapping = DSSMapping(
                dataSequenceNumber: number(nil),
                subflowSequenceNumber: UInt32.random(in: 0...100_000, using: &generator),
                length: UInt16.random(in: 0...3_000, using: &generator))
        default: dss.dataACK = dss.dataACK.map { .low32(UInt32(truncatingIfNeeded: raw($0))) }
        }
        segment.header.options.dss = dss
    }

    private func raw(_ number: DataNumber) -> UInt64 {
        switch number {
        case .low32(let value): UInt64(value)
        case .full(let value): value
        }
    }

    private mutating func number(_ old: DataNumber?) -> DataNumber {
        let base = old.map(raw) ?? generator.next()
        let steps: [UInt64] = [1, .max, 1_400, 1 << 20, 1 << 32, 1 << 63, generator.next()]
        return .full(base &+ (steps.randomElement(using: &generator) ?? 0))
    }

    private mutating func randomOption() -> MPTCPOption {
        let id = AddressID(UInt8.random(in: 0...3, using: &generator))
        let address = IPAddress.v4(UInt32(truncatingIfNeeded: generator.next()))
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: return .capable(MPCapable())
        case 1:
            return .capable(
                MPCapable(senderKey: Key(generator.next()), receiverKey: Key(generator.next())))
        case 2:
            return .join(
                .syn(isBackup: false, addressID: id, token: Token(1), nonce: 5))
        case 3: return .join(.ack(hmac: HMAC160(high: 1, middle: 2, low: 3)))
        case 4:
            return .addAddress(
                AddAddress(
                    addressID: id, address: address,
                    form: .announcement(hmac: generator.next())))
        case 5:
            return .addAddress(AddAddress(addressID: id, address: address, form: .echo))
        case 6, 7: return .removeAddress([id])
        case 8: return .priority(isBackup: Bool.random(using: &generator), addressID: nil)
        case 9: return .fail(DataSequenceNumber(generator.next()))
        case 10: return .fastClose(receiverKey: Key(generator.next()))
        default: return .reset(MPTCPReset(.lackOfResources, isTransient: true))
        }
    }
}
