// Prometheus' text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/

/// The text of one scrape while it is written.
struct Exposition {
    private(set) var bytes: [UInt8] = []

    mutating func begin(_ family: Registry.Family) {
        begin(name: family.name, kind: family.kind, help: family.help)
    }

    private mutating func begin(name: String, kind: MetricKind, help: String) {
        append("# HELP \(name) \(escapeHelp(help))\n# TYPE \(name) \(kind.rawValue)\n")
    }

    mutating func append(_ series: Registry.Series, of name: String) {
        switch series.handle {
        case .counter(let counter): line(name, series.labels, "\(counter.value)")
        case .gauge(let gauge): line(name, series.labels, "\(gauge.value)")
        case .histogram(let histogram): append(histogram, labels: series.labels, of: name)
        }
    }

    mutating func append(_ value: Double, labels: String, of name: String) {
        line(name, labels, renderNumber(value))
    }

    /// The exposition's own counter; it is read after all samplers ran, so it includes this scrape.
    mutating func append(_ dropped: Counter) {
        let name = "telemetry_series_dropped_total"
        begin(name: name, kind: .counter, help: "Sampled series left out because their family was full.")
        line(name, "", "\(dropped.value)")
    }

    private mutating func append(_ histogram: Histogram, labels: String, of name: String) {
        let snapshot = histogram.snapshot
        guard snapshot.count > 0 else { return }
        let before = labels.isEmpty ? "" : labels + ","
        var cumulative: UInt64 = 0
        for (bound, count) in zip(histogram.bounds.nanoseconds, snapshot.counts) {
            cumulative &+= count
            line(name + "_bucket", "\(before)le=\"\(renderNumber(Double(bound) / 1e9))\"", "\(cumulative)")
        }
        line(name + "_bucket", before + "le=\"+Inf\"", "\(snapshot.count)")
        line(name + "_sum", labels, renderNumber(Double(snapshot.sumNanoseconds) / 1e9))
        line(name + "_count", labels, "\(snapshot.count)")
    }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        append(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}

/// `a="1",b="2"`. Traps on an illegal label name (they are written in code); a value may be any text.
func renderLabels(_ labels: [Label]) -> String {
    labels.map { label in
        precondition(isLabelName(label.name), "\(label.name) is no name of a label")
        return "\(label.name)=\"\(escapeLabelValue(label.value))\""
    }.joined(separator: ",")
}

func escapeLabelValue(_ value: String) -> String {
    var text = ""
    for scalar in value.unicodeScalars {
        switch scalar {
        case "\\": text += "\\\\"
        case "\"": text += "\\\""
        case "\n": text += "\\n"
        default: text.unicodeScalars.append(scalar)
        }
    }
    return text
}

func escapeHelp(_ help: String) -> String {
    var text = ""
    for scalar in help.unicodeScalars {
        switch scalar {
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        default: text.unicodeScalars.append(scalar)
        }
    }
    return text
}

func renderNumber(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
    return "\(value)"
}

func isMetricName(_ name: String) -> Bool { isName(name, extra: 0x3A) }

func isLabelName(_ name: String) -> Bool { isName(name, extra: nil) && !name.hasPrefix("__") }

private func isName(_ name: String, extra: UInt8?) -> Bool {
    guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: byte == extra
        }
    }
}
