import NetworkPrimitives
import Testing
import WireFormat

@Suite("mp_prio")
struct PriorityTests {
    static let vectors = [
        OptionVector("backup", "1e0351", .priority(isBackup: true, addressID: nil)),
        OptionVector("no backup", "1e0350", .priority(isBackup: false, addressID: nil)),
        OptionVector(
            "v0 backup of an address", "1e045103",
            .priority(isBackup: true, addressID: AddressID(3))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("reserved bits are ignored")
    func reservedBits() {
        #expect(
            OptionVector.parse(octets("1e035e")) == [.priority(isBackup: false, addressID: nil)])
    }
}

@Suite("mp_fail")
struct FailTests {
    private static let option = MPTCPOption.fail(DataSequenceNumber(KeySetS1.firstA + 5))

    @Test("vector")
    func vector() { OptionVector("", "1e0c6000 f5a101d3d29d6f78", Self.option).check() }

    @Test("reserved bits are ignored")
    func reservedBits() {
        #expect(OptionVector.parse(octets("1e0c6fff f5a101d3d29d6f78")) == [Self.option])
    }
}

@Suite("fastclose")
struct FastCloseTests {
    private static let option = MPTCPOption.fastClose(receiverKey: KeySetS1.keyB)

    @Test("vector")
    func vector() { OptionVector("", "1e0c7000 1112131415161718", Self.option).check() }

    @Test("reserved bits are ignored")
    func reservedBits() {
        #expect(OptionVector.parse(octets("1e0c7fff 1112131415161718")) == [Self.option])
    }
}

@Suite("mp_reset")
struct ResetTests {
    static let vectors = [
        OptionVector(
            "transient, resources", "1e048102",
            .reset(MPTCPReset(.lackOfResources, isTransient: true))),
        OptionVector(
            "permanent, middlebox", "1e048006", .reset(MPTCPReset(.middleboxInterference))),
        OptionVector(
            "a reason without a name", "1e0480ff",
            .reset(MPTCPReset(MPTCPReset.Reason(rawValue: 0xff)))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("reserved bits are ignored")
    func reservedBits() {
        #expect(OptionVector.parse(octets("1e048e06")) == [Self.vectors[1].option])
    }
}

@Suite("Unknown MPTCP options")
struct UnknownMPTCPOptionTests {
    @Test("an unassigned or experimental subtype is kept", arguments: 9...15 as ClosedRange<UInt8>)
    func unassigned(_ subtype: UInt8) {
        OptionVector(
            "subtype \(subtype)", "1e06\(String(subtype, radix: 16))3 010203",
            .unknown(subtype: subtype, nibble: 3, bytes: [1, 2, 3])
        ).check()
    }

    @Test("an option that is ignored does not hide those behind it")
    func neighbours() {
        let area = octets("1e05f0 aabb 1e0351 1e044007 1e082001 00000009 01")
        #expect(
            OptionVector.parse(area) == [
                .dss(DSS(dataACK: .low32(9))),
                .unknown(subtype: 15, nibble: 0, bytes: [0xaa, 0xbb]),
                .priority(isBackup: true, addressID: nil), .removeAddress([AddressID(7)]),
            ])
    }

    @Test("an MPTCP option without a subtype is ignored")
    func noSubtype() {
        #expect(
            OptionVector.parse(octets("1e02 1e0351")) == [
                .priority(isBackup: true, addressID: nil)
            ])
    }
}
