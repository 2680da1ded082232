import ArgumentParser
import Foundation
import Load
import Model
import TestSupport

extension RequestMix: ExpressibleByArgument {}
extension Arrivals: ExpressibleByArgument {}
extension Choices.Law: ExpressibleByArgument {}

struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A server; any number of times: connections take turns.", valueName: "host:port"))
    var target: [String] = []

    @Option(name: .shortAndLong, help: "Connections, 1 to 10000.")
    var connections = 32

    @Option(help: "Threads of the generator, 1 to 64; connections and rate are shared out.")
    var threads = 1

    @Option(name: .shortAndLong, help: "The window that is measured.")
    var seconds = 10.0

    @Option(help: ArgumentHelp("Load before the window, in seconds.", valueName: "seconds"))
    var warmUp = 1.0

    @Option(
        name: .shortAndLong,
        help: "Open loop: requests a second. With --ramp: the first rate. (default of --ramp: 1000)")
    var rate: Double?

    @Option(help: "Open loop: constant or poisson.")
    var arrivals = Arrivals.poisson

    @Flag(help: "Look for the highest rate that holds --p99-ms.")
    var ramp = false

    @Option(help: ArgumentHelp("The p99 that a step of the ramp must hold.", valueName: "ms"))
    var p99Ms = 5.0

    @Option(help: ArgumentHelp("How long a step of the ramp takes.", valueName: "seconds"))
    var stepSeconds = 2.0

    @Option(help: ArgumentHelp("A request without an answer for so long has failed.", valueName: "seconds"))
    var timeout = 10.0

    @Option(
        help: ArgumentHelp(
            "Open loop: requests that may wait for a free connection; more are dropped, and failed.",
            valueName: "requests"))
    var queue = 10_000

    @Option(
        help: ArgumentHelp("How often one connection is made again without an answer in between.", valueName: "times"))
    var reconnects = 1_000

    @Flag(help: "Send a request whose connection broke once more, to another target.")
    var retryElsewhere = false

    @Option(help: ArgumentHelp("Requests that may fail.", valueName: "requests"))
    var failedMax = 0

    func check() throws {
        func require(_ holds: Bool, _ text: String) throws { if !holds { throw ValidationError(text) } }
        try require(!target.isEmpty, "no --target: say which server, as host:port")
        try require((1...10_000).contains(connections), "--connections is \(connections); 1 to 10000 are possible")
        try require((1...64).contains(threads), "--threads is \(threads); 1 to 64 are possible")
        try require(threads <= connections, "--threads \(threads) is more than --connections \(connections)")
        try require(
            target.count <= connections, "--connections \(connections) do not reach all \(target.count) targets")
        try require(seconds > 0 && seconds <= 86_400, "--seconds is \(seconds); above 0 and up to 86400 are possible")
        try require(warmUp >= 0 && warmUp <= 3_600, "--warm-up is \(warmUp); 0 to 3600 are possible")
        try require((rate ?? 1) >= 1 && (rate ?? 1) <= 10_000_000, "--rate is \(rate ?? 0); 1 to 10000000 are possible")
        try require(p99Ms > 0, "--p99-ms is \(p99Ms); it must be above 0")
        try require(
            stepSeconds > 0 && stepSeconds <= 3_600,
            "--step-seconds is \(stepSeconds); above 0 and up to 3600 are possible")
        try require(timeout > 0 && timeout <= 100, "--timeout is \(timeout); above 0 and up to 100 are possible")
        try require((1...10_000_000).contains(queue), "--queue is \(queue); 1 to 10000000 are possible")
        try require(reconnects >= 0, "--reconnects is \(reconnects); it must not be negative")
        try require(failedMax >= 0, "--failed-max is \(failedMax); it must not be negative")
        try require(!retryElsewhere || target.count > 1, "--retry-elsewhere needs a second --target")
    }

    func apply(to plan: inout LoadPlan) {
        plan.connections = connections
        plan.threads = threads
        plan.seconds = seconds
        plan.warmUpSeconds = warmUp
        plan.rate = rate
        plan.arrivals = arrivals
        plan.timeoutSeconds = timeout
        plan.queueMax = queue
        plan.reconnectsMax = reconnects
        plan.retriesElsewhere = retryElsewhere
    }
}

struct RequestOptions: ParsableArguments {
    @Option(help: "One path for every request.")
    var path: String?

    @Option(help: ArgumentHelp("A file with one path a line.", valueName: "file"))
    var paths: String?

    @Option(help: ArgumentHelp("An offer folder, to make a mix of.", valueName: "dir"))
    var data: String?

    @Option(help: "What is asked of --data.")
    var mix = RequestMix.mixed

    @Option(help: "The sport whose events and teams are asked for.")
    var sport = "soccer"

    @Option(help: "The seed of all random choices.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Different requests of a mix, 1 to 100000.", valueName: "requests"))
    var distinct = 1_000

    @Option(help: "Which of them comes next: uniform or zipf.")
    var choose = Choices.Law.uniform

    @Option(help: ArgumentHelp("A header of every request; any number of times.", valueName: "Name: value"))
    var header: [String] = []

    func check() throws {
        guard [path, paths, data].compactMap({ $0 }).count == 1 else {
            throw ValidationError("say what to ask: one of --path, --paths and --data")
        }
        guard (1...100_000).contains(distinct) else {
            throw ValidationError("--distinct is \(distinct); 1 to 100000 are possible")
        }
        for line in header where line.first == ":" || !line.contains(":") || line.contains(where: \.isNewline) {
            throw ValidationError("--header '\(line)' is not 'Name: value'")
        }
        if let path { try checkPath(path, "--path") }
    }

    var name: String {
        data == nil ? (path ?? "\(paths ?? "")") : "\(mix.rawValue), \(grouped(distinct)) different, seed \(seed)"
    }

    func texts() throws -> [RequestText] {
        if let path { return [RequestText(path: path)] }
        if let paths {
            guard let text = try? String(contentsOfFile: paths, encoding: .utf8) else {
                throw LoadError("\(paths) cannot be read")
            }
            let lines = text.split(separator: "\n").map(String.init)
            guard !lines.isEmpty else { throw LoadError("\(paths) has no path") }
            for (number, line) in lines.enumerated() { try checkPath(line, "\(paths), line \(number + 1)") }
            return lines.map { RequestText(path: $0) }
        }
        let index = try DataFolder(path: data ?? "").index(sport: sport)
        return mix.requests(index, count: distinct, seed: seed)
    }

    private func checkPath(_ path: String, _ place: String) throws {
        guard path.first == "/", path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ValidationError("\(place): '\(path)' is no path; it begins with / and has no space")
        }
    }
}

/// The naive reference with its instant.
struct CheckReference {
    let reference: Reference
    let now: Int64

    func check(_ samples: [Sample], paths: [String]) -> CheckOutcome {
        Checker.check(samples, paths: paths, reference: reference, now: now)
    }
}

struct CheckOptions: ParsableArguments {
    enum Check: String, CaseIterable, ExpressibleByArgument { case reference, none }

    @Option(
        help:
            "Compare answers with what the contract's naive reference makes of --data, or not. (default: reference, with --data and --now)"
    )
    var check: Check?

    @Option(help: ArgumentHelp("Check one answer in so many.", valueName: "answers"))
    var checkEvery = 1_000

    @Option(
        help: ArgumentHelp(
            "The instant at which the server stands still (its --clock-fixed), RFC 3339.", valueName: "time"))
    var now: String?

    func check(_ asked: RequestOptions) throws {
        if check == .reference, asked.data == nil || now == nil {
            throw ValidationError("--check reference needs --data, and --now, the server's --clock-fixed")
        }
        guard checkEvery >= 1 else { throw ValidationError("--check-every is \(checkEvery); it must be at least 1") }
        if let now, Timestamp(now) == nil {
            throw ValidationError("--now '\(now)' is no RFC 3339 time, such as 2026-03-14T15:00:00Z")
        }
    }

    func isOn(_ asked: RequestOptions) -> Bool {
        check.map { $0 == .reference } ?? (asked.data != nil && now != nil)
    }

    func reference(_ asked: RequestOptions) throws(LoadError) -> CheckReference? {
        guard isOn(asked), let data = asked.data, let instant = now.flatMap({ Timestamp($0) }) else { return nil }
        return CheckReference(reference: try DataFolder(path: data).reference(), now: instant.milliseconds)
    }
}

struct OutputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write the result as JSON.", valueName: "file"))
    var json: String?

    @Option(
        help: ArgumentHelp(
            "Write the plots as SVG: latency by percentile; for a ramp p99 and throughput by rate too.",
            valueName: "file"))
    var plot: String?

    @Flag(help: "No progress and no table.")
    var quiet = false

    func write(_ report: Report, p99LimitMs: Double?) throws(LoadError) {
        if let json { try write(report.json, to: json) }
        if let plot { try write(LoadPlot.svg(report, p99LimitMs: p99LimitMs), to: plot) }
    }

    private func write(_ text: String, to path: String) throws(LoadError) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw LoadError("\(path) cannot be written: \(error.localizedDescription)")
        }
    }
}
