import NetworkPrimitives
import WireFormat

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    mutating func chance(_ probability: Double) -> Bool { unitInterval() < probability }

    mutating func number<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T {
        // Small and extreme values turn up as often as all others together.
        switch next() % 4 {
        case 0: 0
        case 1: T.max
        default: T(truncatingIfNeeded: next())
        }
    }

    mutating func address(isV6: Bool) -> IPAddress {
        isV6 ? .v6(number(), number()) : .v4(number())
    }

    mutating func mptcpOption() -> MPTCPOption {
        switch next() % 12 {
        case 0: .capable(capable())
        case 1: .join(join())
        case 2:
            .addAddress(
                AddAddress(
                    addressID: AddressID(number()), address: address(isV6: chance(0.5)),
                    port: chance(0.5) ? number() : nil, form: addAddressForm()))
        case 3:
            .removeAddress((0...Int(next() % 8)).map { _ in AddressID(number()) })
        case 4:
            .priority(
                isBackup: chance(0.5), addressID: chance(0.5) ? AddressID(number()) : nil)
        case 5: .fail(DataSequenceNumber(number()))
        case 6: .fastClose(receiverKey: Key(number()))
        case 7:
            .reset(
                MPTCPReset(MPTCPReset.Reason(rawValue: number()), isTransient: chance(0.5)))
        case 8: .fastJoin(fastJoin())
        case 9: .multimob(multimob())
        default:
            .unknown(
                subtype: UInt8(9 + next() % 7), nibble: UInt8(next() % 16),
                bytes: bytes(Int(next() % 12)))
        }
    }

    private mutating func fastJoin() -> FastJoinOption {
        switch next() % 5 {
        case 0:
            .data(isFollowedByFIN: chance(0.5), dataSequenceNumber: number(), mac: number())
        case 1: .resume(dataACK: number(), mac: number())
        case 2:
            .capabilities(FastJoinFeatures(rawValue: number()), maximumPayloadUnits: number())
        case 3: .timeoutRequest
        default: .timeout(microseconds: number())
        }
    }

    private mutating func multimob() -> MultiMobOption {
        let isBackup = chance(0.5)
        let id = AddressID(number())
        return switch next() % 4 {
        case 0:
            .outSYN(
                isBackup: isBackup, addressID: id, token: Token(number()),
                dataSequenceNumber: number(), hmac: number(), length: number(), checksum: number())
        case 1:
            .outSYNACK(
                isBackup: isBackup, addressID: id, hmac: number(),
                dataACK: chance(0.5) ? .full(number()) : .low32(number()))
        case 2:
            .inSYN(
                isBackup: isBackup, addressID: id, token: Token(number()), dataACK: number(),
                hmac: number())
        default: .inSYNACK(isBackup: isBackup, addressID: id, hmac: number(), nonce: number())
        }
    }

    private mutating func addAddressForm() -> AddAddress.Form {
        switch next() % 3 {
        case 0: .echo
        case 1: .v0
        default: .announcement(hmac: number())
        }
    }

    private mutating func capable() -> MPCapable {
        var capable = MPCapable(flags: MPCapableFlags(rawValue: number()))
        capable.version = UInt8(next() % 16)
        let form = next() % 5
        if form >= 1 { capable.senderKey = Key(number()) }
        if form >= 2 { capable.receiverKey = Key(number()) }
        if form >= 3 { capable.dataLength = number() }
        if form >= 4 { capable.checksum = number() }
        return capable
    }

    private mutating func join() -> MPJoin {
        switch next() % 3 {
        case 0:
            .syn(
                isBackup: chance(0.5), addressID: AddressID(number()), token: Token(number()),
                nonce: number())
        case 1:
            .synACK(
                isBackup: chance(0.5), addressID: AddressID(number()), hmac: number(),
                nonce: number())
        default: .ack(hmac: HMAC160(high: number(), middle: number(), low: number()))
        }
    }

    mutating func dss() -> DSS {
        func number64(_ generator: inout SeededGenerator) -> DataNumber {
            generator.chance(0.5) ? .full(generator.number()) : .low32(generator.number())
        }
        var dss = DSS(isDataFIN: chance(0.3))
        if chance(0.7) { dss.dataACK = number64(&self) }
        if chance(0.7) {
            dss.mapping = DSSMapping(
                dataSequenceNumber: number64(&self), subflowSequenceNumber: number(),
                length: number(), checksum: chance(0.5) ? number() : nil)
            dss.isIdle = chance(0.3)
        }
        return dss
    }

    /// Options that have room in a header.
    mutating func tcpOptions() -> TCPOptions {
        var options = TCPOptions()
        func keepIfItFits(_ change: (inout TCPOptions, inout SeededGenerator) -> Void) {
            guard chance(0.4) else { return }
            var changed = options
            change(&changed, &self)
            if changed.fits { options = changed }
        }
        keepIfItFits { $0.maximumSegmentSize = $1.number() }
        keepIfItFits { options, _ in options.isSACKPermitted = true }
        keepIfItFits { $0.windowScale = $1.number() }
        keepIfItFits { $0.timestamps = Timestamps(value: $1.number(), echo: $1.number()) }
        keepIfItFits { $0.dss = $1.dss() }
        keepIfItFits { $0.mptcp.append($1.mptcpOption()) }
        keepIfItFits { $0.mptcp.append($1.mptcpOption()) }
        keepIfItFits {
            $0.unknown.append(
                UnknownTCPOption(
                    kind: UInt8(31 + $1.next() % 225), bytes: $1.bytes(Int($1.next() % 10))))
        }
        if chance(0.4) {
            let room = (TCPOptions.capacity - options.encodedLength - 4) / 8
            let count = max(0, min(room, Int(next() % 5)))
            options.sack = SACKBlocks(
                (0..<count).map { _ in
                    SACKBlock(left: SequenceNumber(number()), right: SequenceNumber(number()))
                })
        }
        return options
    }

    mutating func segment() -> Segment {
        let isV6 = chance(0.3)
        var header = SegmentHeader(
            sourcePort: number(), destinationPort: number(), sequence: SequenceNumber(number()),
            acknowledgment: SequenceNumber(number()), flags: TCPFlags(rawValue: number()),
            window: number())
        header.urgentPointer = number()
        header.options = tcpOptions()
        return Segment(
            source: address(isV6: isV6), destination: address(isV6: isV6),
            ecn: ECNCodepoint(rawValue: UInt8(next() % 4)) ?? .notECT, header: header,
            payload: bytes(chance(0.5) ? 0 : Int(next() % 64)))
    }
}
