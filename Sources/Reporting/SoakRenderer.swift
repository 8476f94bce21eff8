internal import NetworkPrimitives
package import Scenario

/// What came of a soak.
package enum SoakRenderer {
    package static func text(_ result: SoakResult) -> String {
        var lines = [
            "Soak: \(seconds(result.plan.duration.milliseconds)) s, a path breaks every "
                + "\(seconds(result.plan.flapInterval.milliseconds)) s, loss "
                + "\(Figures.plain(result.plan.loss * 100)) % each way"
        ]
        lines.append(
            "  backend     \(result.backend.rawValue); client \(result.plan.client.rawValue), "
                + "server \(result.plan.server.rawValue); \(result.plan.direction.rawValue)")
        lines.append("  seed        \(result.plan.seed)")
        if let receiver = result.receiver {
            let silence = receiver.longestSilence?.duration.milliseconds ?? 0
            let rate =
                Double(receiver.bytesReceived) * 8 / result.plan.duration.milliseconds / 1_000
            lines.append(
                "  delivered   \(receiver.bytesReceived) octets "
                    + (receiver.isIntact ? "intact" : "DAMAGED")
                    + ", \(Figures.fixed(rate, 1)) Mbit/s")
            lines.append("  silence     \(Figures.fixed(silence, 1)) ms at most")
        }
        lines.append(
            "  breaks      \(result.breaks); joins \(result.joins), reinjected octets "
                + "\(result.reinjectedBytes)")
        if let first = result.memory.first, let last = result.memory.last {
            lines.append(
                "  memory      client \(first.client / 1_024) .. \(last.client / 1_024) KiB, "
                    + "server \(first.server / 1_024) .. \(last.server / 1_024) KiB")
        }
        if let growth = result.memoryGrowth {
            lines.append(
                "  growth      client \(growth.client / 1_024) KiB, server "
                    + "\(growth.server / 1_024) KiB from the middle third to the last")
        } else {
            lines.append("  growth      memory not judged: fewer than 6 samples, one a second")
        }
        let complaints = result.complaints
        lines.append(
            complaints.isEmpty ? "  passed" : "  FAILED: " + complaints.joined(separator: "; "))
        return lines.joined(separator: "\n") + "\n"
    }

    /// Schema `mptcpctl.soak/1`.
    package static func json(_ result: SoakResult) -> String {
        JSONValue.members([
            "schema": "mptcpctl.soak/1",
            "backend": .string(result.backend.rawValue),
            "client": .string(result.plan.client.rawValue),
            "server": .string(result.plan.server.rawValue),
            "direction": .string(result.plan.direction.rawValue),
            "duration_ms": JSONValue(rounding: result.plan.duration.milliseconds),
            "flap_ms": JSONValue(rounding: result.plan.flapInterval.milliseconds),
            "loss": JSONValue(rounding: result.plan.loss),
            "seed": .integer(Int64(bitPattern: result.plan.seed)),
            "delivered_bytes": .integer(Int64(result.receiver?.bytesReceived ?? 0)),
            "intact": .bool(result.receiver?.isIntact ?? false),
            "longest_silence_ms": JSONValue(
                rounding: result.receiver?.longestSilence?.duration.milliseconds),
            "breaks": .integer(Int64(result.breaks)),
            "joins": .integer(Int64(result.joins)),
            "reinjected_bytes": .integer(Int64(result.reinjectedBytes)),
            "memory": .array(
                result.memory.map { sample in
                    .array([
                        JSONValue(rounding: sample.time.milliseconds),
                        .integer(Int64(sample.client)), .integer(Int64(sample.server)),
                    ])
                }),
            "complaints": .array(result.complaints.map { .string($0) }),
        ]).pretty
    }

    private static func seconds(_ milliseconds: Double) -> String {
        Figures.plain(milliseconds / 1_000)
    }
}
