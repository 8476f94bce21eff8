internal import LinkModel
internal import NetworkPrimitives

extension Topology {
    /// Reads and checks a testbed file.
    ///
    /// - Parameters:
    ///   - text: Its content, YAML 1.1 as libyaml reads it.
    ///   - file: Its name for error messages.
    ///   - overrides: What counts instead of what the file says, in this order.
    package init(
        parsing text: String, file: String, overrides: [LinkOverride] = []
    ) throws(TopologyError) {
        var root = try FieldReader.compose(text, file: file)
        for override in overrides { try override.apply(to: &root, file: file) }
        var reader = try FieldReader(root, file: file, prefix: "")
        let name = try reader.requiredText("name")
        guard Self.isName(name) else {
            throw reader.error(
                "name", "a name is made of up to 40 lower-case letters, digits and hyphens")
        }
        let description = try reader.text("description") ?? ""
        guard let entries = try reader.list("paths") else {
            throw reader.missing("paths")
        }
        guard (1...16).contains(entries.count) else {
            throw reader.error("paths", "must list 1 to 16 paths")
        }
        guard var serverFields = try reader.mapping("server") else {
            throw reader.missing("server")
        }
        try reader.finish()
        var checker = ConsistencyChecker()
        let server = try ServerLink(&serverFields, &checker)
        var paths: [Path] = []
        for var entry in entries {
            let path = try Path(&entry, &checker)
            let isV6 = path.clientAddress.isV6
            guard server.address(isV6: isV6) != nil else {
                throw entry.error(
                    "client",
                    "the server has no \(isV6 ? "IPv6" : "IPv4") address: give it one with "
                        + "'second-address' and 'second-router'")
            }
            paths.append(path)
        }
        self.init(name: name, description: description, paths: paths, server: server)
    }

    /// Whether a text can name a path, a testbed or a scenario: up to 40 lower-case letters, digits
    /// and hyphens.
    package static func isName(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count)
            && text.utf8.allSatisfy { octet in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
                    || octet == UInt8(ascii: "-")
            } && text.first != "-" && text.last != "-"
    }
}

extension Path {
    init(
        _ fields: inout FieldReader, _ checker: inout ConsistencyChecker
    ) throws(TopologyError) {
        let name = try fields.requiredText("name")
        guard Topology.isName(name) else {
            throw fields.error(
                "name", "a name is made of up to 40 lower-case letters, digits and hyphens")
        }
        let interface = try fields.text("interface") ?? "\(name)0"
        // The ends of the link carry the name with "-c" or "-r" behind it.
        try checker.takeInterface(interface, "interface", fields, longest: 13)
        try checker.takeName(name, fields)
        let subnet = try checker.takeSubnet(&fields, host: "client", router: "router")
        let mtu = try fields.mtu(isV6: subnet.isV6)
        let profiles = try LinkProfileReader.read(&fields, mtu: mtu)
        let promotion = try LinkProfileReader.promotion(&fields)
        var middleboxes: [PlannedMiddlebox] = []
        for entry in try fields.list("middleboxes") ?? [] {
            middleboxes.append(try PlannedMiddlebox(entry, mtu: mtu))
        }
        try fields.finish()
        self.init(
            name: name, interface: interface, clientAddress: subnet.address,
            routerAddress: subnet.routerAddress, prefixLength: subnet.prefixLength, mtu: mtu,
            up: profiles.up, down: profiles.down, promotion: promotion,
            middleboxes: middleboxes)
    }
}

extension ServerLink {
    init(
        _ fields: inout FieldReader, _ checker: inout ConsistencyChecker
    ) throws(TopologyError) {
        let interface = try fields.text("interface") ?? "eth0"
        guard ConsistencyChecker.isInterface(interface, longest: 15) else {
            try checker.refuseInterface(interface, "interface", fields, longest: 15)
        }
        let routerInterface = try fields.text("router-interface") ?? "server0"
        try checker.takeInterface(routerInterface, "router-interface", fields, longest: 15)
        let subnet = try checker.takeSubnet(&fields, host: "address", router: "router")
        let second = try Self.second(&fields, &checker, isV6: !subnet.isV6)
        let mtu = try fields.mtu(isV6: subnet.isV6 || second != nil)
        let ideal = "the link to the server is ideal: it has no rate, delay or loss"
        try fields.finish(
            foreign: Dictionary(
                uniqueKeysWithValues: LinkProfileReader.keys.map { ($0, ideal) }))
        self.init(
            interface: interface, routerInterface: routerInterface, address: subnet.address,
            routerAddress: subnet.routerAddress, prefixLength: subnet.prefixLength,
            second: second, mtu: mtu)
    }

    private static func second(
        _ fields: inout FieldReader, _ checker: inout ConsistencyChecker, isV6: Bool
    ) throws(TopologyError) -> Subnet? {
        let isThere = ["second-address", "second-router"].map { fields.node($0) != nil }
        guard isThere.contains(true) else { return nil }
        let subnet = try checker.takeSubnet(
            &fields, host: "second-address", router: "second-router")
        guard subnet.isV6 == isV6 else {
            throw fields.error(
                "second-address", "must be of the family that 'address' is not of")
        }
        return subnet
    }
}

extension FieldReader {
    mutating func mtu(isV6: Bool) throws(TopologyError) -> Int {
        // RFC 791 asks every host for 576, RFC 8200 every link for 1280; beyond 9000 no Ethernet
        // goes.
        try integer("mtu", in: (isV6 ? 1280 : 576)...9000) ?? 1500
    }
}
