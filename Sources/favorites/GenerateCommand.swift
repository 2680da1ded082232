// `favorites generate`: writes a synthetic offer as a folder that `publish` reads.

import ArgumentParser
import Model
import Offer

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Writes a synthetic offer of all six sports as an offer folder.",
        discussion: """
            The folder holds {regions,categories,seasons,stages,participants,events}.ndjson.gz, one \
            {"key":…,"value":…} a line. The same events, seed and now give the same bytes.
            """)

    @Option(help: ArgumentHelp("How many events, 1 to \(Generator.eventsMax).", valueName: "N"))
    var events = 100_000

    @Option(help: ArgumentHelp("The seed of all random choices.", valueName: "S"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The folder to write. It must not hold an offer yet.", valueName: "DIR"))
    var out: String

    @Option(
        help: ArgumentHelp(
            "The instant around which matches are played, RFC 3339 (default: \(Generator.standardNow)).",
            valueName: "TIME"))
    var now: String?

    @Flag(help: "Write plain .ndjson files.")
    var plain = false

    func validate() throws {
        guard (1...Generator.eventsMax).contains(events) else {
            throw ValidationError("--events must be 1 to \(Generator.eventsMax).")
        }
        _ = try instant()
    }

    func run() throws {
        let generator = Generator(events: events, seed: seed, now: try instant())
        var writer = try OfferWriter(path: out, gzip: !plain)
        var progress = Progress(total: events)
        try generator.forEach { kind, key, value in
            try writer.write(kind, key: key, value: value)
            progress.add(kind)
        }
        try writer.finish()
        progress.finish()
        print("wrote \(progress.counts) to \(out)")
    }

    private func instant() throws -> Timestamp { try Self.instant(now) }

    static func instant(_ text: String?) throws -> Timestamp {
        guard let text else { return Generator.standardNow }
        guard let now = Timestamp(text) else {
            throw ValidationError("--now \(text) is no RFC 3339 time, such as 2026-03-14T15:00:00Z.")
        }
        return now
    }
}

/// A line on standard error that says how far the writing is, rewritten at most every percent.
private struct Progress {
    let total: Int
    private var lines = ModelKind.allCases.map { _ in 0 }
    private var shownPercent = -1
    private let isTerminal = isTerminalError()

    init(total: Int) { self.total = total }

    mutating func add(_ kind: ModelKind) {
        lines[Int(kind.rawValue)] += 1
        let percent = lines[0] * 100 / total
        guard kind == .event, percent > shownPercent else { return }
        shownPercent = percent
        if isTerminal { printError("\rgenerating: \(percent) % of \(total) events", newLine: false) }
    }

    func finish() { if isTerminal { printError("") } }

    /// Such as `100000 events, 2000 participants`.
    var counts: String {
        ModelKind.allCases.map { "\(lines[Int($0.rawValue)]) \($0.plural)" }.joined(separator: ", ")
    }
}
