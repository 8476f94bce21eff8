internal import Crypto
public import NetworkPrimitives
internal import TCP
internal import WireFormat

/// What a host knows for TCP Fast Open to a peer.
public struct FastOpenOffer: Sendable {
    /// The peer's cookie; empty to ask for one.
    public var cookie: [UInt8]
    /// Octets that the SYN may carry.
    public var maximumLength: Int

    /// This cookie, with room for so many octets.
    public init(cookie: [UInt8], maximumLength: Int) {
        self.cookie = cookie
        self.maximumLength = maximumLength
    }

    /// The cookie that a listener gives a client: it proves that the client's address is its own
    /// (RFC 7413, 4.1.2).
    public static func cookie(for client: IPAddress, secret: UInt64) -> [UInt8] {
        var message: [UInt8] = []
        switch client {
        case .v4(let value): withUnsafeBytes(of: value.bigEndian) { message += $0 }
        case .v6(let high, let low):
            withUnsafeBytes(of: high.bigEndian) { message += $0 }
            withUnsafeBytes(of: low.bigEndian) { message += $0 }
        }
        let key = withUnsafeBytes(of: secret.bigEndian) { SymmetricKey(data: Array($0)) }
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: key).prefix(8))
    }
}

/// What a listener made of the Fast Open option of a SYN.
public struct FastOpenAnswer: Sendable {
    /// A fresh cookie for the client.
    public var cookie: [UInt8]?
    /// The octets of the SYN, if the client's cookie was right.
    public var earlyData: [UInt8] = []

    /// Nothing.
    public init() {}
}

/// Data in the SYN lies before the data sequence space and has no mapping (RFC 8684, B).
extension Connection {
    /// Lets the SYN take what the application has written by now.
    mutating func offerEarlyData(_ index: Int) {
        guard let offer = fastOpen, subflows[index].kind == .capable, subflows[index].isOpener,
            subflows[index].tcp.synTransmissions == 0,
            // The cookie is for the first address, and data goes on one SYN only.
            subflows.count == 1,
            // RFC 7413, 4.1.1: the cookie stands back when the SYN has no room for it.
            isFallback || offer.cookie.count <= Self.longestCookie
        else { return }
        subflows[index].tcp.offerFastOpen(
            cookie: offer.cookie, earlyLength: min(data.sent.count, offer.maximumLength))
    }

    /// A cookie of sixteen octets does not fit beside MP_CAPABLE and the options of every SYN.
    private static var longestCookie: Int { 14 }

    /// The handshake is complete: what the peer took of the SYN is gone, and the data sequence space
    /// starts behind it.
    mutating func settleEarlyData(_ index: Int, _ header: SegmentHeader, now: Instant) {
        let tcp = subflows[index].tcp
        guard fastOpen != nil, subflows[index].isOpener else { return }
        let wasLost = tcp.hasOfferedEarlyData && tcp.synTransmissions > 1
        if wasLost {
            events.append(.fastOpenAnswered(remoteEndpoint.address, nil, at: now))
        } else if let cookie = header.options.fastOpenCookie, !cookie.isEmpty {
            let size = Int(header.options.maximumSegmentSize ?? 536)
            // The SYN's options take their place from the segment.
            let room = max(min(size, 1_460) - TCPOptions.capacity, 0)
            let offer = FastOpenOffer(cookie: cookie, maximumLength: room)
            events.append(.fastOpenAnswered(remoteEndpoint.address, offer, at: now))
        }
        guard tcp.earlyAccepted > 0 else { return }
        data.dropEarly(tcp.earlyAccepted)
        log("early_data_accepted", now: now, ("length", .number(tcp.earlyAccepted)))
        signalWritable()
    }
}
