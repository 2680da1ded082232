// The report as a table.

import Foundation

extension Report {
    package var text: String {
        var rows: [(String, String)] = [
            ("load", "\(loadText) to \(targets.joined(separator: ", "))"),
            ("requests", "\(mix)"),
            ("rate", "\(grouped(Int(rate.rounded())))/s, \(grouped(requests)) answers in \(decimals(seconds, 1)) s"),
            ("bodies", "\(decimals(Double(bytes) / 1e6, 1)) MB, \(requests == 0 ? 0 : bytes / requests) bytes each"),
            (
                "statuses",
                statuses.sorted { $0.key < $1.key }.map { "\($0.key): \(grouped($0.value))" }.joined(separator: ", ")
            ),
            ("failed", failed == 0 ? "0" : "\(grouped(failed)) (\(failureText))"),
            ("checked", checked == 0 ? "nothing" : "\(grouped(checked)) answers beside the reference"),
            ("wrong", grouped(wrong)),
            ("latency", latencyText),
            ("from send", serviceText),
            ("generator", generatorText),
        ]
        if gzip > 0 { rows.append(("packed", "\(grouped(gzip)) answers")) }
        if reconnects + repeats + givenUp > 0 {
            rows.append(
                (
                    "connections",
                    "\(grouped(reconnects)) lost, \(givenUp) given up, \(grouped(repeats)) requests repeated"
                ))
        }
        if generatorSaturated {
            rows.append(("WARNING", "the generator was the limit; these figures say nothing about the server"))
        }
        return rows.map { $0.0.padding(toLength: 12, withPad: " ", startingAt: 0) + $0.1 + "\n" }.joined()
    }

    private var loadText: String {
        let offered = offeredRate.map { "open loop, \(grouped(Int($0)))/s" } ?? "closed loop"
        return "\(offered), \(grouped(connections)) connections, \(threads) thread\(threads == 1 ? "" : "s")"
    }

    private var failureText: String {
        failures.sorted { $0.key < $1.key }.map { "\($0.key) \(grouped($0.value))" }.joined(separator: ", ")
    }

    private var latencyText: String {
        "p50 \(us(p50Us))  p90 \(us(p90Us))  p99 \(us(p99Us))  p99.9 \(us(p999Us))  max \(us(maxUs))"
    }

    private var serviceText: String {
        "p50 \(us(serviceP50Us))  p99 \(us(serviceP99Us))  p99.9 \(us(serviceP999Us))  max \(us(serviceMaxUs))"
    }

    private var generatorText: String {
        let cpu = "\(decimals(clientCpuUsPerRequest, 2)) µs of processor a request, \(Int(clientCpuShare * 100)) % busy"
        guard offeredRate != nil else { return cpu }
        return cpu
            + "; \(grouped(late)) sends late (p99 \(us(lateP99Us)), p99.9 \(us(lateP999Us)), max \(us(lateMaxUs)))"
            + "; \(grouped(waited)) waited for a connection"
    }

    private func us(_ value: Double) -> String { grouped(Int(value.rounded())) + " µs" }
}

/// 1234567 → 1,234,567
package func grouped(_ number: Int) -> String {
    var text = ""
    for (place, digit) in "\(abs(number))".reversed().enumerated() {
        if place > 0, place % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return (number < 0 ? "-" : "") + String(text.reversed())
}

package func decimals(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }
