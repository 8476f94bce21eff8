package import Scenario

extension MPTCPInformation {
    /// The fields of the event `connection-information` of the kernel's stack.
    package var fields: [JSONValue.Member] {
        func count(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
        return [
            .init("fallback", .bool(isFallback)),
            .init("checksum", .bool(usesChecksum)),
            .init("subflows_opened", count(totalSubflows)),
            .init("sent_bytes", count(bytesSent)),
            .init("acknowledged_bytes", count(bytesAcknowledged)),
            .init("received_bytes", count(bytesReceived)),
            .init("retransmitted_bytes", count(bytesRetransmitted)),
        ]
    }
}
