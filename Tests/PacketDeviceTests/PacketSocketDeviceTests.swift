import Glibc
import LinuxSystem
import Netlink
import NetworkPrimitives
import PacketDevice
import Testing
import WireFormat

@Suite(
    "Packet sockets", .serialized,
    .enabled(
        if: DeviceTestbed.isPossible, "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN"))
struct PacketSocketDeviceTests {
    /// An experimental ethertype, so that no kernel answers.
    private func frame(_ number: Int, length: Int = 64, to: [UInt8] = [2, 0, 0, 0, 0, 9]) -> [UInt8]
    {
        var bytes = to + [2, 0, 0, 0, 0, 1, 0x88, 0xb5]
        bytes += [UInt8(number >> 8), UInt8(number & 0xff)]
        return bytes + (0..<max(0, length - bytes.count)).map { UInt8(($0 * 7) & 0xff) }
    }

    private func isOurs(_ frame: Frame) -> Bool { frame.bytes[12...13] == [0x88, 0xb5] }

    @Test("frames go out in batches and come in whole, in order")
    func sendReceive() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all, batchSize: 7))
        let link = try bed.left.link(named: "left")
        #expect(left.interface == link.id && left.hardwareAddress.bytes == link.hardwareAddress)
        let sent = (0..<200).map { frame($0, length: 60 + $0) }
        for bytes in sent {
            #expect(bytes.withUnsafeBytes { left.send($0) })
        }
        #expect(try left.flush() == .done)
        let got = try DeviceTestbed.collect(right) { $0.filter(isOurs).count >= 200 }
            .filter(isOurs)
        #expect(got.map(\.bytes) == sent)
        #expect(got.allSatisfy { !$0.checksumNotReady && $0.kind == .otherHost })
        #expect(left.statistics.framesSent == 200)
        #expect(right.statistics.framesTruncated == 0)
        // A device does not see what it sent.
        let own = try DeviceTestbed.collect(left) { _ in true }
        #expect(own.filter(isOurs).isEmpty)
    }

    @Test("a frame written in place, one forgotten, and one too long for the link")
    func inPlace() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all, batchSize: 4))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all))
        let forgotten = try #require(left.reserve())
        forgotten.copyBytes(from: frame(1))
        let slot = try #require(left.reserve())
        slot.copyBytes(from: frame(2))
        left.commit(length: 64)
        #expect(frame(3, length: 1800).withUnsafeBytes { left.send($0) })
        #expect(!frame(4, length: 4000).withUnsafeBytes { left.send($0) })
        #expect(frame(5).withUnsafeBytes { left.send($0) })
        #expect(try left.flush() == .done)
        let got = try DeviceTestbed.collect(right) { $0.filter(isOurs).count >= 2 }
            .filter(isOurs)
        #expect(got.map { $0.bytes[15] } == [2, 5])
        #expect(left.statistics.framesRejected == 1)
        #expect(left.statistics.framesSent == 2)
    }

    /// Says when it goes, and what is left of it then is not what it was.
    private final class Memory {
        let bytes: UnsafeMutableRawBufferPointer
        private let count: Counter

        init(_ octets: [UInt8], _ count: Counter) {
            bytes = .allocate(byteCount: octets.count, alignment: 16)
            bytes.copyBytes(from: octets)
            self.count = count
        }

        deinit {
            bytes.initializeMemory(as: UInt8.self, repeating: 0xee)
            bytes.deallocate()
            count.value += 1
        }
    }

    private final class Counter {
        var value = 0
    }

    @Test("payloads that lie elsewhere are sent behind the slot, and kept until then and no longer")
    func gathers() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice(
            "left", in: bed.a, .init(filter: .all, batchSize: 64, queueSize: 3))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all))
        let gone = Counter()
        var sent: [[UInt8]] = []
        // More than the queue takes: slots are used again, for frames without a payload too.
        for number in 0..<8 {
            let bytes = frame(number, length: 900 + number)
            sent.append(bytes)
            let slot = try #require(left.reserve())
            let head = number % 3 == 2 ? bytes.count : 40
            slot.copyBytes(from: bytes[..<head])
            guard head < bytes.count else {
                left.commit(length: head)
                continue
            }
            let cut = number % 3 == 0 ? bytes.count : 500
            let pieces = [bytes[head..<cut], bytes[cut...]].filter { !$0.isEmpty }
                .map { Memory(Array($0), gone) }
                .map {
                    PacketSocketDevice.Payload(
                        bytes: UnsafeRawBufferPointer($0.bytes), owner: $0)
                }
            left.commit(
                length: head, offload: .none, payload: pieces[0],
                pieces.count > 1 ? pieces[1] : nil)
        }
        #expect(gone.value < 9)
        #expect(try left.flush() == .done)
        #expect(gone.value == 9)
        let got = try DeviceTestbed.collect(right) { $0.filter(isOurs).count >= 8 }
            .filter(isOurs)
        #expect(got.map(\.bytes) == sent)
    }

    @Test("a frame larger than its slot is counted and not delivered")
    func truncated() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all, slotSize: 512))
        for (number, length) in [(1, 100), (2, 1000), (3, 100)] {
            #expect(frame(number, length: length).withUnsafeBytes { left.send($0) })
        }
        _ = try left.flush()
        let got = try DeviceTestbed.collect(right) { $0.filter(isOurs).count >= 2 }
            .filter(isOurs)
        #expect(got.map { $0.bytes[15] } == [1, 3])
        #expect(right.statistics.framesTruncated == 1)
    }

    @Test("the filter passes the ports asked for and nothing else", arguments: [false, true])
    func filter(isV6: Bool) throws {
        let bed = try DeviceTestbed()
        let device = try PacketSocketDevice(
            "left", in: bed.a, .init(filter: .tcpDestinationPorts(40000...40009)))
        let address: IPAddress = isV6 ? .v6(0xfd00 << 48, 1) : .v4(0x0a09_0001)
        for port: UInt16 in [39999, 40010, 22, 40000, 40009] {
            _ = try DeviceTestbed.connect(from: bed.b, to: address, port: port)
        }
        let got = try DeviceTestbed.collect(device) { $0.filter(\.isSYN).count >= 2 }
        #expect(got.map(\.destinationPort) == [40000, 40009])
        // The kernel at the other end leaves checksums to hardware that is not there.
        #expect(got.allSatisfy { $0.isSYN && $0.checksumNotReady && $0.kind == .host })
    }

    @Test("with the sender's offloads off, checksums are complete")
    func offloads() throws {
        let bed = try DeviceTestbed()
        let before = try NamespaceThread.run(in: bed.b) { try InterfaceOffloads.of("right") }
        #expect(before.contains([.transmitChecksum, .tcpSegmentation]))
        let after = try NamespaceThread.run(in: bed.b) {
            try InterfaceOffloads.set([], on: "right")
            return try InterfaceOffloads.of("right")
        }
        #expect(after.isEmpty)
        let device = try PacketSocketDevice(
            "left", in: bed.a, .init(filter: .tcpDestinationPorts(40000...40009)))
        _ = try DeviceTestbed.connect(from: bed.b, to: .v4(0x0a09_0001), port: 40000)
        let got = try DeviceTestbed.collect(device) { !$0.isEmpty }
        #expect(got.first?.isSYN == true && got.first?.checksumNotReady == false)
        try NamespaceThread.run(in: bed.b) { try InterfaceOffloads.set(before, on: "right") }
        #expect(try NamespaceThread.run(in: bed.b) { try InterfaceOffloads.of("right") } == before)
    }

    @Test("a link that goes down is an error once, and the device lives when it comes up")
    func downUp() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all))
        let poll = try EventPoll()
        try poll.add(left.descriptor, token: 1)
        while try left.receive() > 0 {}
        try bed.left.setDown("left")
        #expect(try poll.poll(timeout: 2000).first?.isClosed == true)
        #expect(throws: DeviceError.linkDown) {
            while try left.receive() > 0 {}
        }
        #expect(try left.receive() == 0)
        #expect(try poll.poll().isEmpty)
        #expect(frame(1).withUnsafeBytes { left.send($0) })
        #expect(throws: DeviceError.linkDown) { try left.flush() }
        #expect(left.statistics.framesLost == 1)
        #expect(try left.flush() == .done)

        try bed.left.setUp("left")
        #expect(frame(2).withUnsafeBytes { left.send($0) })
        #expect(try left.flush() == .done)
        let there = try DeviceTestbed.collect(right) { $0.contains(where: isOurs) }
        #expect(there.filter(isOurs).map { $0.bytes[15] } == [2])
        #expect(frame(3).withUnsafeBytes { right.send($0) })
        _ = try right.flush()
        let back = try DeviceTestbed.collect(left) { $0.contains(where: isOurs) }
        #expect(back.filter(isOurs).map { $0.bytes[15] } == [3])
    }

    @Test("a queue that pushes back keeps the rest until there is room")
    func backPressure() throws {
        let bed = try DeviceTestbed()
        try bed.left.setRootQueue(
            .tokenBucket(
                TokenBucket(
                    rate: BitRate(bitsPerSecond: 4_000_000), burst: 3000, limit: 10_000_000)),
            on: "left")
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all, batchSize: 64))
        let right = try PacketSocketDevice("right", in: bed.b, .init(filter: .all))
        let poll = try EventPoll()
        try poll.add(left.descriptor, token: 1, readable: false, writable: true)
        // 300 kB: more than the socket's send buffer takes, and 600 ms on this line.
        let total = 200
        var queued = 0
        var wasBlocked = false
        while queued < total {
            if frame(queued, length: 1500).withUnsafeBytes({ left.send($0) }) {
                queued += 1
                continue
            }
            guard case .blocked(let waiting) = try left.flush() else { continue }
            #expect((1...64).contains(waiting))
            wasBlocked = true
            #expect(try poll.poll(timeout: 3000).first?.isWritable == true)
        }
        while case .blocked = try left.flush() { _ = try poll.poll(timeout: 3000) }
        #expect(wasBlocked)
        let got = try DeviceTestbed.collect(right) { $0.filter(isOurs).count >= total }
            .filter(isOurs)
        #expect(got.map { Int($0.bytes[14]) << 8 | Int($0.bytes[15]) } == Array(0..<total))
    }

    @Test("a link that is deleted is gone for good")
    func gone() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        try bed.left.deleteLink("left")
        #expect(frame(1).withUnsafeBytes { left.send($0) })
        #expect(throws: DeviceError.deviceGone) { try left.flush() }
        let error = #expect(throws: DeviceError.self) {
            try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        }
        #expect(error?.description == "interface left: No such device")
    }

    @Test("frames that nobody fetches are counted as the kernel's drops")
    func drops() throws {
        let bed = try DeviceTestbed()
        let left = try PacketSocketDevice("left", in: bed.a, .init(filter: .all))
        let right = try PacketSocketDevice(
            "right", in: bed.b, .init(filter: .all, receiveBuffer: 4096))
        for number in 0..<500 {
            #expect(frame(number, length: 1000).withUnsafeBytes { left.send($0) })
        }
        _ = try left.flush()
        // A busy kernel delivers the last ones later.
        var received = 0
        let deadline = MonotonicClock.now() + .seconds(3)
        while received + Int(right.statistics.kernelDrops) < 500, MonotonicClock.now() < deadline {
            received += try right.receive()
        }
        #expect(received < 500)
        // IPv6 may have said something, too.
        #expect(right.statistics.kernelDrops >= UInt64(500 - received))
    }
}
