// `favorites simulate`: plays a live match day into the topics, at an exact rate, until it is told to end.

import ArgumentParser
import Glibc
import Kafka
import Model
import Offer
import Settings
import Synchronization

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Plays a live match day into the topics.",
        discussion: """
            Kick-offs, scores, periods, full times, postponements, now and then a new fixture or a rename, on top of \
            an offer that was published before: the folder of --data, or else the one that `favorites generate` makes \
            of the same --events, --seed and --now. Ends on Ctrl-C, or after --count updates.
            """)

    @OptionGroup(title: "Kafka") var kafka: KafkaOptions

    @Option(help: ArgumentHelp("Updates a second, 1 to 1000000.", valueName: "N"))
    var rate = 100

    @Option(help: ArgumentHelp("The seed of all random choices, that of the generated offer too.", valueName: "S"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The folder of the offer that is published.", valueName: "DIR"))
    var data: String?

    @Option(help: ArgumentHelp("The events of the generated offer; not with --data.", valueName: "N"))
    var events = 100_000

    @Option(
        help: ArgumentHelp(
            "The instant at which the day begins, RFC 3339 (default: \(Generator.standardNow)).", valueName: "TIME"))
    var now: String?

    @Option(help: ArgumentHelp("End after so many updates.", valueName: "N"))
    var count: Int?

    func validate() throws {
        guard (1...1_000_000).contains(rate) else { throw ValidationError("--rate must be 1 to 1000000.") }
        guard (1...Generator.eventsMax).contains(events) else {
            throw ValidationError("--events must be 1 to \(Generator.eventsMax).")
        }
        guard count ?? 1 > 0 else { throw ValidationError("--count must be 1 or more.") }
        _ = try GenerateCommand.instant(now)
    }

    func run() throws {
        let settings = try kafka.resolve()
        let options = KafkaClientOptions(settings, id: "simulate")
        let logger = commandLogger()
        let partitions = try KafkaAdmin(options: options, timeoutMs: reachTimeoutMs, logger: logger).reach(settings)
        if let missing = settings.topics.models.first(where: { partitions[$0] == nil }) {
            throw CommandError(
                "topic \(missing) does not exist at \(options.brokers): run `favorites topics create`, then "
                    + "`favorites publish`", code: .unavailable)
        }
        let start = try GenerateCommand.instant(now)
        let offer =
            try data.map { try MatchDayOffer(folder: OfferFolder(path: $0), now: start) }
            ?? MatchDayOffer(generator: Generator(events: events, seed: seed, now: start))
        var day = try MatchDay(offer: offer, seed: seed)
        let producer = try KafkaProducer(options: options, topics: settings.topics.models, logger: logger)
        printError("simulating \(offer.count) matches at \(rate) updates a second")
        signal(SIGINT) { _ in isStopping.store(true, ordering: .relaxed) }
        signal(SIGTERM) { _ in isStopping.store(true, ordering: .relaxed) }
        var pace = Pace(rate: rate)
        var sent = 0
        while !isStopping.load(ordering: .relaxed), sent < count ?? .max {
            for _ in 0..<min(pace.due(), (count ?? .max) - sent) {
                // The day's own clock follows the updates, so one seed gives one stream whatever the machine does.
                let time = start.milliseconds + Int64(sent) * 1000 / Int64(rate)
                let update = day.next(now: Timestamp(milliseconds: min(time, Timestamp.latest.milliseconds)))
                try producer.produce(topic: Int(update.kind.rawValue), key: update.key, value: update.value)
                sent += 1
            }
            for complaint in producer.serve() { printError(complaint) }
            pace.show(sent: sent, counts: producer.counts)
        }
        try finish(producer, sent: sent)
    }

    private func finish(_ producer: KafkaProducer, sent: Int) throws {
        _ = producer.flush(timeoutMs: 30_000)
        let counts = producer.counts
        print("sent \(sent) updates: \(counts.delivered) delivered, \(counts.failed) failed")
        guard counts.delivered == sent else {
            let reason = counts.firstError.map { " (\($0))" } ?? ""
            throw CommandError("not everything was delivered\(reason): see to the broker", code: .unavailable)
        }
    }
}

/// Set by the signal handlers, which may do nothing else; read by the loop. Relaxed: it carries no other data.
private let isStopping = Atomic<Bool>(false)

/// How many updates are due by the clock. What a slow moment held back is made up for, at most a second of it.
private struct Pace {
    private let rate: Int
    private let clock = ContinuousClock()
    private var from: ContinuousClock.Instant
    private var given = 0
    private var shownAt: ContinuousClock.Instant
    private var shownSent = 0

    init(rate: Int) {
        self.rate = rate
        from = clock.now
        shownAt = from
    }

    /// Sleeps for a millisecond where nothing is due.
    mutating func due() -> Int {
        let (seconds, attoseconds) = (clock.now - from).components
        let owed = Int(seconds) * rate + Int(attoseconds / 1_000_000_000) * rate / 1_000_000_000 - given
        guard owed > 0 else {
            usleep(1000)
            return 0
        }
        if owed > rate {
            from = clock.now
            given = 0
            return rate
        }
        given += owed
        return owed
    }

    /// One line a second.
    mutating func show(sent: Int, counts: DeliveryCounts) {
        let passed = clock.now - shownAt
        guard passed >= .seconds(1) else { return }
        let perSecond = Int(Double(sent - shownSent) / (passed / .seconds(1)) + 0.5)
        printError(
            "\(isTerminalError() ? "\r" : "")simulating: \(sent) sent (\(perSecond)/s), \(counts.delivered) delivered, "
                + "\(counts.failed) failed", newLine: !isTerminalError())
        shownAt = clock.now
        shownSent = sent
    }
}

/// Whether somebody watches standard error.
func isTerminalError() -> Bool { isatty(STDERR_FILENO) != 0 }

func printError(_ text: String, newLine: Bool = true) {
    let bytes = Array((text + (newLine ? "\n" : "")).utf8)
    // Nobody is left to tell where stderr is closed.
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
