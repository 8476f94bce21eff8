import NetworkPrimitives
import Testing

@testable import Netlink

@Suite("Netlink messages")
struct MessageParsingTests {
    private func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let length = UInt16(value.count + 4)
        let head = [
            UInt8(length & 0xff), UInt8(length >> 8), UInt8(type & 0xff), UInt8(type >> 8),
        ]
        return head + value + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    private func message(type: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(payload.count + 16)
        return [UInt8(length & 0xff), UInt8(length >> 8), 0, 0, type, 0, 0, 0]
            + [7, 0, 0, 0, 0, 0, 0, 0] + payload
    }

    private func events(_ bytes: [UInt8]) -> [LinkEvent] {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer
            var found: [LinkEvent] = []
            while let message = NetlinkMessage.next(in: &rest) {
                if let event = LinkEvent(message) { found.append(event) }
            }
            return found
        }
    }

    /// `wifi0`, number 5, up, running, with carrier; then 10.0.1.2/24 taken away from it.
    private var sample: [UInt8] {
        let link =
            [0, 0, 1, 0, 5, 0, 0, 0, 0x41, 0, 1, 0, 0, 0, 0, 0]
            + attribute(3, Array("wifi0".utf8) + [0]) + attribute(1, [2, 0, 0, 0, 0, 1])
            + attribute(4, [0xdc, 5, 0, 0]) + attribute(5, [9, 0, 0, 0])
            // IFLA_LINKINFO with the "nested" bit.
            + attribute(0x8012, attribute(1, Array("veth".utf8) + [0]))
        let address =
            [2, 24, 0, 0, 5, 0, 0, 0] + attribute(1, [10, 0, 1, 2]) + attribute(2, [10, 0, 1, 2])
        return message(type: 16, link) + message(type: 21, address)
    }

    @Test("a link and an address are read as they were written")
    func values() throws {
        let found = events(sample)
        #expect(found.count == 2)
        guard case .linkChanged(let link) = found.first,
            case .addressRemoved(let address) = found.last
        else {
            Issue.record("\(found)")
            return
        }
        #expect(link.name == "wifi0" && link.id == InterfaceID(5) && link.mtu == 1500)
        #expect(link.isUp && link.isRunning && link.hasCarrier)
        #expect(link.hardwareAddress == [2, 0, 0, 0, 0, 1] && link.kind == "veth")
        #expect(link.peer == InterfaceID(9))
        #expect(address.address == .v4(0x0a00_0102) && address.prefixLength == 24)
        #expect(address.interface == InterfaceID(5))
    }

    @Test("input that is cut off or damaged at any octet never traps")
    func damaged() {
        let whole = sample
        for length in 0..<whole.count {
            #expect(events(Array(whole.prefix(length))).count < 2)
        }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 3, 0x7f, 0xff] {
                var bytes = whole
                bytes[index] = value
                #expect(events(bytes).count <= 2)
            }
        }
    }
}
