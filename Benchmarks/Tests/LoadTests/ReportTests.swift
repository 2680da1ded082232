import Foundation
import FoundationXML
import Histogram
import Load
import Testing

struct ReportTests {
    private func counts(latenciesUs: [UInt64]) -> LoadCounts {
        var counts = LoadCounts()
        counts.windowNs = 2_000_000_000
        counts.answered = latenciesUs.count
        counts.answeredInWindow = latenciesUs.count
        counts.statuses[200] = latenciesUs.count
        for us in latenciesUs {
            counts.latencies.record(us * 1000)
            counts.services.record(us * 500)
        }
        return counts
    }

    private func plan(rate: Double? = nil) throws -> LoadPlan {
        var plan = LoadPlan(
            targets: [try Address("127.0.0.1:80")], requests: RequestSet([RequestText(path: "/")], host: "h"))
        plan.rate = rate
        return plan
    }

    @Test func percentilesOfAKnownList() throws {
        let report = Report(counts(latenciesUs: Array(1...1_000)), plan: try plan(), mix: "m")
        #expect(abs(report.p50Us - 500) < 2)
        #expect(abs(report.p90Us - 900) < 2)
        #expect(abs(report.p99Us - 990) < 2)
        #expect(abs(report.p999Us - 999) < 2)
        // From the send it was half.
        #expect(abs(report.serviceP999Us - 999 / 2) < 2)
        #expect(report.rate == 500)
        #expect(report.latency.first?.percentile == 0)
        #expect(zip(report.latency, report.latency.dropFirst()).allSatisfy { $0.us <= $1.us })
    }

    @Test func latenessIsToldApartFromLatency() throws {
        var late = counts(latenciesUs: Array(repeating: 10_000, count: 1_000))
        for us in 1...1_000 as ClosedRange<UInt64> { late.lateness.record(us * 1000) }
        let report = Report(late, plan: try plan(rate: 10), mix: "m")
        #expect(abs(report.lateP99Us - 990) < 2)
        #expect(abs(report.lateP999Us - 999) < 2)
        #expect(report.text.contains("p99.9 \(grouped(Int(report.lateP999Us.rounded()))) µs, max 1,0"))
    }

    @Test func jsonHasTheKeysThatScriptsRead() throws {
        let json = Report(counts(latenciesUs: [100, 200]), plan: try plan(), mix: "m").json
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        for key in [
            "requests", "seconds", "rate", "failed", "wrong", "late", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
            "bytes", "generator_saturated", "client_cpu_share", "client_cpu_us_per_request", "late_p99_us",
            "late_p999_us", "service_p999_us", "statuses",
        ] { #expect(object[key] != nil, "\(key)") }
        #expect(object["requests"] as? Int == 2)
    }

    @Test func nothingAnsweredIsNoCrash() throws {
        let report = Report(LoadCounts(), plan: try plan(), mix: "m")
        #expect(report.rate == 0 && report.p99Us == 0)
        #expect(report.text.contains("0 answers"))
        #expect(LoadPlot.svg(report).contains("<svg"))
    }

    @Test func aSaturatedGeneratorSaysSo() throws {
        var busy = counts(latenciesUs: [100])
        busy.cpuShare = 0.99
        #expect(Report(busy, plan: try plan(), mix: "m").generatorSaturated)
        #expect(Report(busy, plan: try plan(), mix: "m").text.contains("WARNING"))
        var late = counts(latenciesUs: [100])
        for _ in 0..<100 { late.lateness.record(5_000_000) }
        late.late = 2
        #expect(Report(late, plan: try plan(rate: 10), mix: "m").generatorSaturated)
        #expect(!Report(late, plan: try plan(), mix: "m").generatorSaturated, "a closed loop is never late")
        late.late = 1
        #expect(!Report(late, plan: try plan(rate: 10), mix: "m").generatorSaturated)
    }

    @Test func numbersForPeople() {
        #expect([0, 999, 1_000, 1_234_567, -1_000].map(grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
    }

    @Test func progressLines() {
        var reporter = ProgressReporter()
        var progress = ThreadProgress()
        #expect(reporter.line(progress) == nil)
        progress.seconds = 1
        #expect(reporter.line(progress) == "1 s: nothing counted yet")
        #expect(reporter.line(progress) == nil, "nothing new")
        progress.seconds = 2
        progress.answered = 1_500
        progress.latencies.record(2_000_000)
        #expect(reporter.line(progress)?.hasPrefix("2 s: 1,500/s, so far p50 2,0") == true)
    }
}

struct PlotTests {
    /// Counts elements and collects texts; fails on what is no XML.
    private final class Reader: NSObject, XMLParserDelegate {
        var elements: [String: Int] = [:]
        var texts = ""
        var points: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            elements[name, default: 0] += 1
            if let list = attributes["points"] { points.append(list) }
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) { texts += text }
    }

    private func read(_ svg: String) -> Reader? {
        let reader = Reader()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = reader
        return parser.parse() ? reader : nil
    }

    private var report: Report {
        get throws {
            let plan = LoadPlan(
                targets: [try Address("127.0.0.1:80")], requests: RequestSet([RequestText(path: "/")], host: "h"))
            var counts = LoadCounts()
            for us in 1...100_000 as ClosedRange<UInt64> { counts.latencies.record(us * 1000) }
            return Report(counts, plan: plan, mix: "a <b> & c")
        }
    }

    @Test func latencyByPercentile() throws {
        let reader = try #require(read(LoadPlot.svg(try report)))
        #expect(reader.elements["polyline"] == 1)
        #expect(reader.texts.contains("a <b> & c"))
        for label in ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "percentile", "ms"] {
            #expect(reader.texts.contains(label), "\(label)")
        }
        // Within the frame, from left to right, and never downwards: y grows to the bottom.
        let places = reader.points[0].split(separator: " ").map { $0.split(separator: ",").compactMap { Double($0) } }
        #expect(places.allSatisfy { (84...756).contains($0[0]) && (44...364).contains($0[1]) })
        #expect(zip(places, places.dropFirst()).allSatisfy { $0[0] <= $1[0] && $0[1] >= $1[1] })
    }

    @Test func rampsShowTheirSteps() throws {
        var ramp = try report
        ramp.ramp = (1...7).map {
            RampStep(
                offered: Double($0) * 1_000, rate: 900, p50Us: 10, p99Us: Double($0) * 1_000, failed: 0, holds: $0 < 5)
        }
        let reader = try #require(read(LoadPlot.svg(ramp, p99LimitMs: 4.5)))
        #expect(reader.elements["circle"] == 14)
        #expect(reader.texts.contains("Throughput by rate") && reader.texts.contains("p99 by rate"))
    }

    @Test(arguments: [0.003, 0.9, 1, 3.7, 10, 99, 12_345])
    func ticksAreRoundAndCover(most: Double) {
        let list = ticks(to: most)
        #expect(list[0] == 0)
        #expect((list.last ?? 0) >= most)
        #expect((4...11).contains(list.count), "\(list)")
    }
}

struct RampTests {
    /// A server that holds what is below `capacity`.
    private func search(_ capacity: Double, from rate: Double, hiccupAt hiccup: Int? = nil) -> Ramp {
        var ramp = Ramp(from: rate)
        while let next = ramp.next {
            let holds = next <= capacity && ramp.steps.count != hiccup
            ramp.add(RampStep(offered: next, rate: min(next, capacity), p50Us: 1, p99Us: 2, failed: 0, holds: holds))
        }
        return ramp
    }

    @Test(arguments: [130.0, 1_000, 43_210, 980_000])
    func findsTheLimit(capacity: Double) throws {
        for start in [100.0, 1_000, 50_000] {
            let best = try #require(search(capacity, from: start).best)
            #expect(best.offered <= capacity && best.offered > capacity / 1.06, "from \(start): \(best.offered)")
        }
    }

    @Test func oneHiccupIsNoLimit() throws {
        let best = try #require(search(43_210, from: 1_000, hiccupAt: 3).best)
        #expect(best.offered > 43_210 / 1.06)
    }

    @Test func nothingHolds() {
        let ramp = search(0, from: 1_000)
        #expect(ramp.best == nil)
        #expect(ramp.next == nil)
        #expect(ramp.text.contains("no rate holds"))
    }

    @Test func whatHolds() throws {
        var plan = LoadPlan(
            targets: [try Address("127.0.0.1:80")], requests: RequestSet([RequestText(path: "/")], host: "h"))
        plan.rate = 100
        var counts = LoadCounts()
        counts.windowNs = 1_000_000_000
        counts.answered = 100
        counts.answeredInWindow = 98
        counts.latencies.record(1_000_000)
        #expect(RampStep(Report(counts, plan: plan, mix: ""), p99Us: 2_000).holds)
        #expect(!RampStep(Report(counts, plan: plan, mix: ""), p99Us: 500).holds, "too slow")
        counts.answeredInWindow = 96
        #expect(!RampStep(Report(counts, plan: plan, mix: ""), p99Us: 2_000).holds, "too few answered")
        counts.answeredInWindow = 100
        counts.failures[Failure.closed.rawValue] = 1
        #expect(!RampStep(Report(counts, plan: plan, mix: ""), p99Us: 2_000).holds, "one failed")
    }
}
