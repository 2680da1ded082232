// What a run found, for people and for programs.

import Foundation
import Histogram

/// As it stands in the JSON file.
package struct Report: Codable, Sendable {
    package var mode = ""
    package var targets: [String] = []
    package var connections = 0
    package var threads = 0
    package var mix = ""
    package var seconds = 0.0
    /// What was asked for; absent in a closed loop.
    package var offeredRate: Double?
    /// Answers a second within the window.
    package var rate = 0.0
    package var requests = 0
    package var bytes = 0
    package var failed = 0
    package var failures: [String: Int] = [:]
    package var statuses: [String: Int] = [:]
    package var notModified = 0
    package var gzip = 0
    package var checked = 0
    package var wrong = 0
    package var unsampled = 0
    package var waited = 0
    package var repeats = 0
    package var reconnects = 0
    package var givenUp = 0
    package var minUs = 0.0
    package var meanUs = 0.0
    package var p50Us = 0.0
    package var p90Us = 0.0
    package var p99Us = 0.0
    package var p999Us = 0.0
    package var p9999Us = 0.0
    package var maxUs = 0.0
    /// The same from the actual send.
    package var serviceP50Us = 0.0
    package var serviceP99Us = 0.0
    package var serviceP999Us = 0.0
    package var serviceMaxUs = 0.0
    package var late = 0
    package var lateP99Us = 0.0
    package var lateP999Us = 0.0
    package var lateMaxUs = 0.0
    package var clientCpuUsPerRequest = 0.0
    package var clientCpuShare = 0.0
    /// The generator itself was the limit: the figures say nothing about the server.
    package var generatorSaturated = false
    package var ramp: [RampStep]?
    /// Percentile and µs, for plots.
    package var latency: [LatencyPoint] = []

    package init(_ counts: LoadCounts, plan: LoadPlan, mix: String, check: CheckOutcome? = nil) {
        mode = plan.rate == nil ? "closed loop" : "open loop"
        targets = plan.targets.map(\.text)
        connections = plan.connections
        threads = plan.threads
        self.mix = mix
        offeredRate = plan.rate
        seconds = Double(counts.windowNs) / 1e9
        rate = seconds > 0 ? Double(counts.answeredInWindow) / seconds : 0
        requests = counts.answered
        bytes = counts.bodyBytes
        takeCounts(counts)
        checked = check?.checked ?? 0
        wrong = counts.wrong + (check?.wrong ?? 0)
        takeLatencies(counts)
        lateP99Us = micros(counts.lateness, 99)
        lateP999Us = micros(counts.lateness, 99.9)
        lateMaxUs = Double(counts.lateness.max) / 1000
        clientCpuUsPerRequest = Double(counts.cpuNs) / 1000 / Double(max(1, counts.answeredInWindow))
        clientCpuShare = counts.cpuShare
        let isLate = offeredRate != nil && Double(counts.late) > 0.01 * Double(counts.lateness.totalCount)
        generatorSaturated = counts.cpuShare > 0.95 || isLate
    }

    private mutating func takeCounts(_ counts: LoadCounts) {
        failed = counts.failed
        for failure in Failure.allCases where counts.failures[failure.rawValue] > 0 {
            failures[failure.name] = counts.failures[failure.rawValue]
        }
        for (status, count) in counts.statuses.enumerated() where count > 0 { statuses["\(status)"] = count }
        notModified = counts.notModified
        gzip = counts.gzip
        unsampled = counts.unsampled
        waited = counts.waited
        repeats = counts.repeats
        reconnects = counts.reconnects
        givenUp = counts.givenUp
        late = counts.late
    }

    private mutating func takeLatencies(_ counts: LoadCounts) {
        let all = counts.latencies
        guard all.totalCount > 0 else { return }
        minUs = Double(all.min) / 1000
        meanUs = all.mean / 1000
        p50Us = micros(all, 50)
        p90Us = micros(all, 90)
        p99Us = micros(all, 99)
        p999Us = micros(all, 99.9)
        p9999Us = micros(all, 99.99)
        maxUs = Double(all.max) / 1000
        serviceP50Us = micros(counts.services, 50)
        serviceP99Us = micros(counts.services, 99)
        serviceP999Us = micros(counts.services, 99.9)
        serviceMaxUs = Double(counts.services.max) / 1000
        latency = LatencyPoint.curve(all)
    }

    package var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Numbers, texts and lists alone: nothing that JSON cannot hold.
        let data = (try? encoder.encode(self)) ?? Data()
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}

package struct LatencyPoint: Codable, Sendable, Equatable {
    package var percentile: Double
    package var us: Double

    package init(percentile: Double, us: Double) {
        self.percentile = percentile
        self.us = us
    }

    /// Each point halves what lies above it as often as five points do, down to the last request.
    package static func curve(_ latencies: Latencies) -> [LatencyPoint] {
        guard latencies.totalCount > 0 else { return [] }
        var points: [LatencyPoint] = []
        var above = 1.0
        while above * Double(latencies.totalCount) >= 1 {
            let percentile = 100 * (1 - above)
            points.append(LatencyPoint(percentile: percentile, us: micros(latencies, percentile)))
            above *= 0.87055
        }
        return points
    }
}

private func micros(_ latencies: Latencies, _ percentile: Double) -> Double {
    guard latencies.totalCount > 0 else { return 0 }
    // A bucket reaches a little above the largest value in it.
    return Double(min(latencies.valueAtPercentile(percentile), latencies.max)) / 1000
}
