internal import NetworkPrimitives

/// What must not meet: names, interfaces, address blocks.
struct ConsistencyChecker {
    private var names: [String] = []
    private var interfaces: [String] = []
    private var subnets: [(subnet: Subnet, field: String)] = []

    mutating func takeName(_ name: String, _ fields: FieldReader) throws(TopologyError) {
        guard !names.contains(name) else {
            throw fields.error("name", "another path has the name '\(name)', too")
        }
        names.append(name)
    }

    /// An interface of the router, or of router and client.
    mutating func takeInterface(
        _ name: String, _ key: String, _ fields: FieldReader, longest: Int
    ) throws(TopologyError) {
        guard Self.isInterface(name, longest: longest) else {
            try refuseInterface(name, key, fields, longest: longest)
        }
        guard !interfaces.contains(name) else {
            throw fields.error(key, "the router has an interface '\(name)' already")
        }
        interfaces.append(name)
    }

    func refuseInterface(
        _ name: String, _ key: String, _ fields: FieldReader, longest: Int
    ) throws(TopologyError) -> Never {
        if name.utf8.count > longest {
            throw fields.error(
                key,
                "'\(name)' has more than \(longest) characters, too many for an interface"
                    + (longest < 15 ? " whose link's ends are called so with '-c' and '-r'" : ""))
        }
        throw fields.error(
            key,
            "'\(name)' is no name for an interface: a letter, then letters, digits, '-' or '_'; "
                + "not 'lo', 'all' or 'default'")
    }

    static func isInterface(_ name: String, longest: Int) -> Bool {
        guard (1...longest).contains(name.utf8.count), let first = name.first,
            !["lo", "all", "default"].contains(name)
        else { return false }
        return first.isASCII && first.isLetter
            && name.allSatisfy { character in
                character.isASCII && (character.isLetter || character.isNumber)
                    || character == "-" || character == "_"
            }
    }

    /// Reads the address of a host with its prefix, and the router's in the same network.
    mutating func takeSubnet(
        _ fields: inout FieldReader, host key: String, router routerKey: String
    ) throws(TopologyError) -> Subnet {
        let text = try fields.requiredText(key)
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = Int(parts[1]) else {
            throw fields.error(
                key, "an address comes with its prefix length",
                suggestion: parts.count == 1
                    ? "\(parts[0])/\(parts[0].contains(":") ? 64 : 24)" : nil)
        }
        let host = try Self.address(String(parts[0]), key, fields)
        let lengths = host.isV6 ? 16...126 : 8...30
        guard lengths.contains(length) else {
            throw fields.error(
                key,
                "the prefix length must lie between \(lengths.lowerBound) and "
                    + "\(lengths.upperBound)")
        }
        var routerText = try fields.requiredText(routerKey)[...]
        if routerText.hasSuffix("/\(length)") { routerText.removeLast("/\(length)".count) }
        let router = try Self.address(String(routerText), routerKey, fields)
        let subnet = Subnet(address: host, routerAddress: router, prefixLength: length)
        guard router.isContained(in: host, prefixLength: length) else {
            throw fields.error(routerKey, "\(router) lies outside \(Self.text(subnet))")
        }
        guard router != host else {
            throw fields.error(routerKey, "is the same address as '\(key)'")
        }
        for (address, key) in [(host, key), (router, routerKey)]
        where Self.isNetworkOrBroadcast(address, length) {
            throw fields.error(
                key,
                address.isV6
                    ? "\(address) is the network's own address"
                    : "\(address) is the network's own or its broadcast address")
        }
        if let other = subnets.first(where: { Self.overlap($0.subnet, subnet) }) {
            throw fields.error(
                key,
                "\(Self.text(subnet)) overlaps \(Self.text(other.subnet)) of \(other.field)")
        }
        subnets.append((subnet, fields.path(key)))
        return subnet
    }

    private static func address(
        _ text: String, _ key: String, _ fields: FieldReader
    ) throws(TopologyError) -> IPAddress {
        guard let address = IPAddress(text) else {
            throw fields.error(key, "'\(text)' is no IP address")
        }
        guard isHost(address) else {
            throw fields.error(key, "\(address) cannot be a host's address")
        }
        return address
    }

    private static func isHost(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let value):
            // 0/8, 127/8 and from 224/4 on are no host's.
            value >> 24 != 0 && value >> 24 != 127 && value >> 28 < 14
        case .v6(let high, _):
            // Nor are ::/64 (unspecified, loopback, mapped IPv4) and multicast addresses; link-local
            // ones mean something on one link only.
            high != 0 && high >> 56 != 0xff && high >> 54 != 0x3fa
        }
    }

    private static func isNetworkOrBroadcast(_ address: IPAddress, _ length: Int) -> Bool {
        if address == network(of: address, length) { return true }
        guard case .v4(let value) = address else { return false }
        let mask = UInt32.max >> UInt32(length)
        return value & mask == mask
    }

    private static func overlap(_ first: Subnet, _ second: Subnet) -> Bool {
        first.address.isContained(
            in: second.address, prefixLength: min(first.prefixLength, second.prefixLength))
    }

    private static func text(_ subnet: Subnet) -> String {
        "\(network(of: subnet.address, subnet.prefixLength))/\(subnet.prefixLength)"
    }

    /// The address without the host's bits.
    private static func network(of address: IPAddress, _ length: Int) -> IPAddress {
        switch address {
        case .v4(let value): .v4(value & ~(UInt32.max >> UInt32(length)))
        case .v6(let high, let low):
            .v6(high & ~(.max >> min(length, 64)), low & ~(.max >> max(length - 64, 0)))
        }
    }
}
