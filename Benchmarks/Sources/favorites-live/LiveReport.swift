import Foundation
import Load

/// As it stands in the JSON file.
struct LiveReport: Codable {
    var load: Report
    var judged: Int
    var wrong: Int
    var comparedWhole: Int
    var notJudged = 0
    /// In the end, beside the reference.
    var compared = 0
    var updates = 0
    var updatesFailed = 0
    var slowestUpdateMs = 0.0
    /// The greatest that an answer said of itself.
    var freshnessMaxMs: Int
    var reasons: [String: Int]
    var stretches: [Stretch]

    init(load: Report, judge: Judge, stretches: [Stretch]) {
        self.load = load
        judged = judge.judged
        wrong = judge.wrong
        comparedWhole = judge.comparedWhole
        freshnessMaxMs = judge.freshnessMaxMs
        reasons = judge.reasons
        self.stretches = stretches
    }

    mutating func addWrong(_ text: String) {
        wrong += 1
        if wrong <= 20 { complain(text) }
    }

    var isGood: Bool {
        load.failed == 0 && wrong == 0 && notJudged == 0 && updatesFailed == 0 && judged > 0 && updates > 0
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Numbers, texts and lists alone: nothing that JSON cannot hold.
        let data = (try? encoder.encode(self)) ?? Data()
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    var text: String {
        var lines = load.text
        func row(_ name: String, _ text: String) {
            lines += name.padding(toLength: 12, withPad: " ", startingAt: 0) + text + "\n"
        }
        row(
            "judged",
            "\(grouped(judged)) answers, \(grouped(comparedWhole)) of them whole; wrong: \(grouped(wrong)); "
                + "not judged: \(grouped(notJudged)); in the end \(grouped(compared)) beside the reference")
        row(
            "updates",
            "\(grouped(updates)) published, \(grouped(updatesFailed)) failed; the slowest took "
                + "\(decimals(slowestUpdateMs, 0)) ms; an answer was \(grouped(freshnessMaxMs)) ms old at most, by itself"
        )
        for (reason, count) in reasons.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            row("reason", "\(grouped(count)) × \(reason.prefix(200))")
        }
        for stretch in stretches {
            let micros = [stretch.p50Us, stretch.p99Us, stretch.p999Us, stretch.maxUs].map { grouped(Int($0)) }
            row(
                stretch.name,
                "\(decimals(stretch.from, 1)) to \(decimals(stretch.to, 1)) s: \(grouped(stretch.answers)) answers, "
                    + "\(grouped(stretch.failed)) failed, p50 \(micros[0]) µs  p99 \(micros[1]) µs  "
                    + "p99.9 \(micros[2]) µs  max \(micros[3]) µs")
        }
        return lines
    }
}
