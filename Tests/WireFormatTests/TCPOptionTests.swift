import NetworkPrimitives
import Testing
import WireFormat

@Suite("TCP options")
struct TCPOptionTests {
    private func parse(_ hex: String) -> TCPOptions {
        octets(hex).withUnsafeBytes { TCPOptions(parsing: $0) }
    }

    private func encode(_ options: TCPOptions) -> String {
        hexadecimal(encoded(count: options.encodedLength) { options.encode(into: &$0) })
    }

    private func options(_ change: (inout TCPOptions) -> Void) -> TCPOptions {
        var options = TCPOptions()
        change(&options)
        return options
    }

    /// Blocks of one octet: [1, 2), [0x101, 0x102), ...
    private static func blocks(_ count: Int) -> SACKBlocks {
        var blocks = SACKBlocks()
        for index in 0..<count {
            let left = SequenceNumber(UInt32(index) << 8 | 1)
            blocks.append(SACKBlock(left: left, right: left + 1))
        }
        return blocks
    }

    @Test("none")
    func none() {
        #expect(parse("") == TCPOptions())
        #expect(TCPOptions().encodedLength == 0)
    }

    @Test("maximum segment size")
    func maximumSegmentSize() {
        let value = options { $0.maximumSegmentSize = 1460 }
        #expect(parse("020405b4") == value)
        #expect(encode(value) == "020405b4")
    }

    @Test("window scale")
    func windowScale() {
        let value = options { $0.windowScale = 7 }
        #expect(parse("030307") == value)
        #expect(encode(value) == "01030307")
    }

    @Test("SACK permitted, alone and beside timestamps")
    func sackPermitted() {
        let alone = options { $0.isSACKPermitted = true }
        #expect(parse("0402") == alone)
        #expect(encode(alone) == "01010402")
        let both = options {
            $0.isSACKPermitted = true
            $0.timestamps = Timestamps(value: 1, echo: 2)
        }
        #expect(parse("0402080a0000000100000002") == both)
        #expect(encode(both) == "0402080a0000000100000002")
    }

    @Test("timestamps")
    func timestamps() {
        let value = options { $0.timestamps = Timestamps(value: 0x8765_4321, echo: 0xffff_ffff) }
        #expect(parse("080a87654321ffffffff") == value)
        #expect(encode(value) == "0101080a87654321ffffffff")
    }

    @Test("SACK", arguments: 1...4)
    func sack(_ count: Int) {
        let value = options { $0.sack = Self.blocks(count) }
        #expect(value.sack.count == count)
        let full =
            "01010522 00000001 00000002 00000101 00000102 00000201 00000202 00000301 00000302"
        var bytes = Array(octets(full).prefix(4 + 8 * count))
        bytes[3] = UInt8(2 + 8 * count)
        let text = hexadecimal(bytes)
        #expect(parse(text) == value)
        #expect(encode(value) == text)
    }

    @Test("SACK blocks give way to what else the header holds")
    func sackBesideOthers() {
        let withTimestamps = options {
            $0.timestamps = Timestamps(value: 1, echo: 2)
            $0.sack = Self.blocks(4)
        }
        #expect(withTimestamps.encodedLength == 40)
        #expect(parse(encode(withTimestamps)).sack == Self.blocks(3))
        var withACK = withTimestamps
        withACK.dss = DSS(dataACK: .full(1))
        #expect(withACK.encodedLength == 36)
        #expect(parse(encode(withACK)).sack == Self.blocks(1))
        var withMapping = withTimestamps
        withMapping.dss = DSS(
            dataACK: .full(1),
            mapping: DSSMapping(
                dataSequenceNumber: .full(1), subflowSequenceNumber: 1, length: 9, checksum: 3))
        #expect(withMapping.encodedLength == 40)
        #expect(withMapping.fits)
        #expect(parse(encode(withMapping)).sack.isEmpty)
    }

    @Test("unknown kinds are kept with their bytes")
    func unknown() {
        let value = options {
            $0.unknown = [
                UnknownTCPOption(kind: 34, bytes: octets("0102030405060708")),
                UnknownTCPOption(kind: 253, bytes: []),
            ]
        }
        #expect(parse("220a0102030405060708 fd02") == value)
        #expect(encode(value) == "220a01020304050607080101fd020101")
    }

    @Test(
        "a Fast Open cookie has an even length of 4 to 16 octets, or asks for one",
        arguments: 0...18)
    func fastOpen(_ count: Int) {
        // RFC 7413, 4.1.1: kind 34, length 2 or 6 to 18.
        let cookie = (0..<count).map { UInt8(0xa0 + $0) }
        let text = hexadecimal([34, UInt8(2 + count)] + cookie)
        let isCookie = count == 0 || (4...16).contains(count) && count % 2 == 0
        let parsed = parse(text)
        #expect(parsed.fastOpenCookie == (isCookie ? cookie : nil))
        guard isCookie else { return }
        let value = options { $0.fastOpenCookie = cookie }
        #expect(parsed == value)
        let padding = String(repeating: "01", count: (4 - (2 + count) % 4) % 4)
        #expect(encode(value) == text + padding)
    }

    @Test("nothing counts behind the end of the list")
    func endOfList() {
        #expect(parse("030307 00 0204ffff") == options { $0.windowScale = 7 })
    }

    @Test("padding may stand anywhere")
    func padding() {
        #expect(
            parse("01 0204ffff 010101 030301 01")
                == options {
                    $0.maximumSegmentSize = 0xffff
                    $0.windowScale = 1
                })
    }

    @Test(
        "a malformed length ends the list, and what came before it stays",
        arguments: [
            "0300 0204ffff", "0301 0204ffff", "0304", "03", "1e", "1e00 0204ffff", "fdff 0204ffff",
        ])
    func malformedLength(_ tail: String) {
        #expect(parse("030309" + tail) == options { $0.windowScale = 9 })
    }

    @Test(
        "a known kind of a wrong length is passed over",
        arguments: [
            "0203ff", "030401 02", "040300", "0502", "0509 00000001 000000", "0809 00000001 000000",
        ])
    func wrongLength(_ option: String) {
        #expect(parse(option + "0204ffff") == options { $0.maximumSegmentSize = 0xffff })
    }

    @Test("of a repeated option the last one counts")
    func repeated() {
        #expect(parse("02040001 02040002") == options { $0.maximumSegmentSize = 2 })
        #expect(
            parse("050a 00000001 00000002 050a 00000003 00000004").sack.array == [
                SACKBlock(left: SequenceNumber(3), right: SequenceNumber(4))
            ])
    }

    @Test("the sums of the option budget")
    func budget() {
        // mptcp-wire, 14.2: what Linux sends takes so much room.
        let synBase = options {
            $0.maximumSegmentSize = 1460
            $0.isSACKPermitted = true
            $0.timestamps = Timestamps(value: 1, echo: 0)
            $0.windowScale = 7
        }
        func length(_ base: TCPOptions, _ mptcp: [MPTCPOption]) -> Int {
            var all = base
            all.mptcp = mptcp
            return all.encodedLength
        }
        let timestamps = options { $0.timestamps = Timestamps(value: 1, echo: 2) }
        let key = Key(1)
        #expect(length(synBase, [.capable(MPCapable())]) == 24)
        #expect(length(synBase, [.capable(MPCapable(senderKey: key))]) == 32)
        #expect(
            length(
                synBase,
                [.join(.syn(isBackup: false, addressID: .initial, token: Token(1), nonce: 1))])
                == 32)
        #expect(
            length(
                synBase, [.join(.synACK(isBackup: false, addressID: .initial, hmac: 1, nonce: 1))])
                == 36)
        #expect(
            length(timestamps, [.join(.ack(hmac: HMAC160(high: 1, middle: 1, low: 1)))]) == 36)
        #expect(
            length(
                timestamps,
                [.capable(MPCapable(senderKey: key, receiverKey: key, dataLength: 1))]) == 36)
        let v6 = AddAddress(
            addressID: .initial, address: .v6(1, 1), port: 1, form: .announcement(hmac: 1))
        var tooMuch = timestamps
        tooMuch.mptcp = [.addAddress(v6)]
        #expect(!tooMuch.fits)
        var withoutTimestamps = TCPOptions()
        withoutTimestamps.mptcp = [.addAddress(v6)]
        #expect(withoutTimestamps.encodedLength == 32)
    }
}
