// `favorites-live`: open-loop load while live updates flow, every answer judged as it comes.
//
//   updates ──► Kafka ──► nodes ──► routers ──► generator (its own thread) ──► queue ──► judge
//      └───────────── the same thread makes updates and judges: it knows what was published ─────┘

import ArgumentParser
import Foundation
import Load
import Model
import TestSupport

@main
struct FavoritesLive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "favorites-live",
        abstract: "Load on routers while live updates flow; says whether anything failed or was wrong.",
        discussion: """
            Every answer is judged: an event that was never published so, or is older than one the same router had \
            shown before the request was sent, a place that does not fit what is printed, an event missing or extra \
            for longer than the freshness, a stage twice. After the window the updates stop; once all nodes of --nodes \
            have applied them, random requests are compared with the reference byte for byte.

            SIGUSR1 marks a moment: the report has the latencies before the first and for up to 30 s after each. \
            A line on standard error says when the window begins.

            Exit code: 0; 1 where a request failed, an answer was wrong or was not judged, or updates were lost.
            """)

    @Option(help: ArgumentHelp("A router; any number of times.", valueName: "host:port"))
    var target: [String] = []

    @Option(help: "Kafka's bootstrap address.")
    var kafkaBrokers: String

    @Option(help: ArgumentHelp("The offer that is published.", valueName: "dir"))
    var data: String

    @Option(help: ArgumentHelp("The instant at which the routers stand still, RFC 3339.", valueName: "time"))
    var now: String

    @Option(help: "The sport whose events are updated and asked for.")
    var sport = "soccer"

    @Option(help: "Requests a second.")
    var rate = 2000.0

    @Option(help: "The window that is measured.")
    var seconds = 20.0

    @Option(help: "Load before the window, in seconds.")
    var warmUp = 2.0

    @Option(help: "Connections, shared out among the targets.")
    var connections = 32

    @Option(help: "Updates a second, 1 to 100000.")
    var updates = 2000

    @Option(help: ArgumentHelp("Events that are updated and asked for.", valueName: "events"))
    var hot = 3000

    @Option(help: "Different requests, 1 to 100000.")
    var distinct = 5000

    @Option(help: "The seed of all random choices.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp("An update must be visible so long after it was delivered.", valueName: "milliseconds"))
    var freshness = 2000

    @Option(help: ArgumentHelp("A request without an answer for so long has failed.", valueName: "seconds"))
    var timeout = 5.0

    @Flag(help: "Send a request whose connection broke once more, to another target.")
    var retryElsewhere = false

    @Option(help: ArgumentHelp("Requests to each router in the end, beside the reference.", valueName: "requests"))
    var compare = 1000

    @Option(
        help: ArgumentHelp(
            "A file that is read in the end: the nodes' management addresses, one host:port a line. Without it nothing "
                + "is compared in the end.", valueName: "file"))
    var nodes: String?

    @Option(help: ArgumentHelp("Write the result as JSON.", valueName: "file"))
    var json: String?

    func validate() throws {
        func require(_ holds: Bool, _ text: String) throws { if !holds { throw ValidationError(text) } }
        try require(!target.isEmpty, "no --target: say which router, as host:port")
        try require(!retryElsewhere || target.count > 1, "--retry-elsewhere needs a second --target")
        try require(connections >= target.count && connections <= 10_000, "--connections is \(connections)")
        try require(rate >= 1 && rate <= 1_000_000, "--rate is \(rate); 1 to 1000000 are possible")
        try require(seconds > 0 && seconds <= 3600, "--seconds is \(seconds); above 0 and up to 3600 are possible")
        try require(warmUp >= 0 && warmUp <= 600, "--warm-up is \(warmUp); 0 to 600 are possible")
        try require((1...100_000).contains(updates), "--updates is \(updates); 1 to 100000 are possible")
        try require((1...100_000).contains(distinct), "--distinct is \(distinct); 1 to 100000 are possible")
        try require((1...100_000).contains(hot), "--hot is \(hot); 1 to 100000 are possible")
        try require(timeout > 0 && timeout <= 100, "--timeout is \(timeout); above 0 and up to 100 are possible")
        try require(Timestamp(now) != nil, "--now '\(now)' is no RFC 3339 time, such as 2026-03-14T15:00:00Z")
    }

    func run() throws {
        do {
            var live = try LiveRun(self)
            let report = try live.run()
            print(report.text, terminator: "")
            if let json { try Data(report.json.utf8).write(to: URL(filePath: json)) }
            guard report.isGood else { throw ExitCode(1) }
        } catch let error as LoadError {
            complain("\(error)")
            throw ExitCode(1)
        }
    }
}

func complain(_ text: String) {
    FileHandle.standardError.write(Data("favorites-live: \(text)\n".utf8))
}
