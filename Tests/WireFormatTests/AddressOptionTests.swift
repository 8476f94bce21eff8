import NetworkPrimitives
import Testing
import WireFormat

@Suite("add_addr")
struct AddAddressTests {
    private static let v4 = IPAddress.v4(0x0a00_0201)
    private static let v6 = IPAddress.v6(0x2001_0db8_0000_0000, 0x0000_0000_0002_0001)

    private static func add(
        _ identifier: UInt8, _ address: IPAddress, _ port: UInt16?, _ form: AddAddress.Form
    ) -> MPTCPOption {
        .addAddress(
            AddAddress(addressID: AddressID(identifier), address: address, port: port, form: form))
    }

    static let vectors = [
        OptionVector(
            "v1 IPv4", "1e103001 0a000201 014b3007310c639c",
            add(1, v4, nil, .announcement(hmac: 0x014b_3007_310c_639c))),
        OptionVector("v1 IPv4 echo", "1e083101 0a000201", add(1, v4, nil, .echo)),
        OptionVector(
            "v1 IPv4 and port", "1e123001 0a000201 1f90 b08c3eb910379895",
            add(1, v4, 8080, .announcement(hmac: 0xb08c_3eb9_1037_9895))),
        OptionVector(
            "v1 IPv4 and port echo", "1e0a3101 0a000201 1f90", add(1, v4, 8080, .echo)),
        OptionVector(
            "v1 IPv6", "1e1c3005 20010db8000000000000000000020001 3534da53a9816556",
            add(5, v6, nil, .announcement(hmac: 0x3534_da53_a981_6556))),
        OptionVector(
            "v1 IPv6 echo", "1e143105 20010db8000000000000000000020001", add(5, v6, nil, .echo)),
        OptionVector(
            "v1 IPv6 and port",
            "1e1e3005 20010db8000000000000000000020001 01bb 4c236cb19834fc39",
            add(5, v6, 443, .announcement(hmac: 0x4c23_6cb1_9834_fc39))),
        OptionVector(
            "v1 IPv6 and port echo", "1e163105 20010db8000000000000000000020001 01bb",
            add(5, v6, 443, .echo)),
        OptionVector("v0 IPv4", "1e083401 0a000201", add(1, v4, nil, .v0)),
        OptionVector("v0 IPv4 and port", "1e0a3401 0a000201 1f90", add(1, v4, 8080, .v0)),
        OptionVector(
            "v0 IPv6", "1e143605 20010db8000000000000000000020001", add(5, v6, nil, .v0)),
        OptionVector(
            "v0 IPv6 and port", "1e163605 20010db8000000000000000000020001 01bb",
            add(5, v6, 443, .v0)),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test(
        "the message under the HMAC",
        arguments: [
            (vectors[0], "010a0002010000"), (vectors[2], "010a0002011f90"),
            (vectors[4], "0520010db80000000000000000000200010000"),
            (vectors[6], "0520010db800000000000000000002000101bb"),
        ])
    func authenticatedBytes(_ vector: OptionVector, _ message: String) {
        guard case .addAddress(let option) = vector.option else {
            Issue.record("\(vector.name) is no ADD_ADDR")
            return
        }
        #expect(hexadecimal(option.authenticatedBytes) == message)
    }

    @Test(
        "reserved bits of v1 are ignored", arguments: [2, 4, 6, 8, 14] as [UInt8])
    func reservedBits(_ reserved: UInt8) {
        for vector in Self.vectors.prefix(8) {
            var bytes = vector.bytes
            bytes[2] |= reserved
            #expect(OptionVector.parse(bytes) == [vector.option])
        }
    }

    @Test("lengths of neither version are unknown options")
    func badLength() {
        let known: [UInt8: Set<Int>] = [
            0: [16, 18, 28, 30], 1: [8, 10, 20, 22], 4: [8, 10, 16, 18, 28, 30],
            6: [16, 18, 20, 22, 28, 30],
        ]
        for (nibble, lengths) in known {
            for length in 4...40 where !lengths.contains(length) {
                let rest = [UInt8](repeating: 7, count: length - 3)
                #expect(
                    OptionVector.parse([0x1e, UInt8(length), 0x30 | nibble] + rest)
                        == [.unknown(subtype: 3, nibble: nibble, bytes: rest)])
            }
        }
    }
}

@Suite("rm_addr")
struct RemoveAddressTests {
    static let vectors = [
        OptionVector("one", "1e044007", .removeAddress([AddressID(7)])),
        OptionVector(
            "three", "1e064001 0209", .removeAddress([AddressID(1), AddressID(2), AddressID(9)])),
        OptionVector(
            "as many as fit", "1e2840" + String(repeating: "01", count: 37),
            .removeAddress(Array(repeating: AddressID(1), count: 37))),
    ]

    @Test("vectors", arguments: vectors)
    func vector(_ vector: OptionVector) { vector.check() }

    @Test("without an identifier it is unknown")
    func empty() {
        #expect(
            OptionVector.parse(octets("1e0340")) == [.unknown(subtype: 4, nibble: 0, bytes: [])])
    }
}
