// `favorites publish`: an offer folder into the topics.

import ArgumentParser
import Glibc
import Kafka
import Model
import Offer
import Settings

struct PublishCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publishes an offer folder into the topics.",
        discussion: """
            The folder holds {regions,categories,seasons,stages,participants,events}.ndjson[.gz]; not all must be there. \
            Each line is {"key": …, "value": …}; a null value deletes. All files are read once before anything is sent, \
            so a broken line stops it before anything is half-published. Fails if a message was not delivered, or if \
            the broker has dropped some of them again.
            """)

    @Argument(help: "The folder.")
    var directory: String

    @OptionGroup(title: "Kafka") var kafka: KafkaOptions

    @Option(help: "Messages a second at most; without it as fast as the broker takes them.")
    var rate: Int?

    @Flag(help: "Leaves out broken lines, and counts them, instead of stopping at the first.")
    var skipInvalid = false

    func validate() throws {
        if let rate, rate < 1 { throw ValidationError("--rate takes 1 or more") }
    }

    func run() throws {
        let folder = try OfferFolder(path: directory)
        let settings = try kafka.resolve()
        let topics = settings.topics
        let options = KafkaClientOptions(settings, id: "publish")
        let admin = try KafkaAdmin(options: options, timeoutMs: reachTimeoutMs, logger: commandLogger())
        let partitions = try admin.reach(settings)
        printError("Checking \(directory) …")
        let counts = try check(folder)
        let kinds = OfferFolder.order.filter { counts[$0] > 0 }
        for kind in kinds where partitions[topics[kind]] == nil {
            throw CommandError(
                "topic \(topics[kind]) does not exist at \(options.brokers): run `favorites topics create` first",
                code: .unavailable)
        }
        if let first = counts.firstSkipped {
            printError("warning: \(counts.skippedTotal) broken lines are left out; the first: \(first)")
        }
        let producer = try KafkaProducer(
            options: options, topics: topics.models, deliveryTimeoutMs: reachTimeoutMs, logger: commandLogger())
        let outcome = try send(folder, kinds, total: counts.total, producer)
        try report(outcome, total: counts.total, producer)
        try refuseTrimmed(kinds, topics, partitions, producer, admin)
    }

    private func check(_ folder: OfferFolder) throws -> OfferCounts {
        do throws(OfferError) {
            return try folder.check(skipInvalid: skipInvalid)
        } catch {
            guard error.code == .brokenLine else { throw error }
            throw CommandError(
                "\(error); nothing was published: correct the line, or leave broken lines out with --skip-invalid",
                code: .data)
        }
    }

    /// Sends until the end, or until the first message that failed or was refused: the next would fail the same way,
    /// each after its own timeout. Returns the number of messages given to the producer, and why it was not all.
    private func send(
        _ folder: OfferFolder, _ kinds: [ModelKind], total: Int, _ producer: KafkaProducer
    ) throws -> (sent: Int, refusal: KafkaError?) {
        var progress = Progress(total: total)
        let pace = Pace(rate: rate)
        var sent = 0
        var refusal: KafkaError?
        do {
            for kind in kinds {
                try folder.forEach(kind, skipInvalid: skipInvalid) { _, key, value in
                    if let error = producer.counts.firstError { throw error }
                    try producer.produce(topic: Int(kind.rawValue), key: key, value: value)
                    sent += 1
                    pace.wait(after: sent, producer)
                    if sent & 1_023 == 0 { progress.show(producer.counts.delivered) }
                }
            }
        } catch let error as KafkaError {
            refusal = error
        }
        // Ends: each message is delivered or has failed after its timeout.
        while !producer.flush(timeoutMs: 200) { progress.show(producer.counts.delivered) }
        progress.finish(producer.counts.delivered)
        return (sent, refusal ?? producer.counts.firstError)
    }

    private func report(_ outcome: (sent: Int, refusal: KafkaError?), total: Int, _ producer: KafkaProducer) throws {
        let counts = producer.counts
        print("\(counts.delivered) messages delivered, \(counts.failed) failed, \(total - outcome.sent) not sent")
        guard let refusal = outcome.refusal else { return }
        throw CommandError(
            "not everything was delivered (\(refusal)): see to the broker, then publish the folder again; what is "
                + "there already does no harm a second time", code: .unavailable)
    }

    private func refuseTrimmed(
        _ sent: [ModelKind], _ topics: TopicNames, _ partitions: [String: Int], _ producer: KafkaProducer,
        _ admin: KafkaAdmin
    ) throws {
        let names = sent.map { topics[$0] }
        let logs = try admin.bounds(of: partitions.filter { names.contains($0.key) })
        var problems: [String] = []
        for kind in sent {
            let name = topics[kind]
            guard let logs = logs[name], let trimming = LogTrimming(logs) else { continue }
            let isOurs = producer.firstOffsets(of: Int(kind.rawValue)).contains { partition, offset in
                Int(partition.rawValue) < logs.count && logs[Int(partition.rawValue)].start > offset
            }
            if isOurs { problems.append("\(name): \(trimming.advice(isGlobal: kind != .event))") }
        }
        guard !problems.isEmpty else { return }
        throw CommandError(
            "the broker has dropped some of these messages again, since its partitions were full: "
                + problems.joined(separator: "; "), code: .data)
    }
}

/// Holds a rate by waiting wherever it is ahead by more than 5 ms.
private struct Pace {
    private let rate: Int?
    private let start = ContinuousClock.now

    init(rate: Int?) { self.rate = rate }

    func wait(after sent: Int, _ producer: KafkaProducer) {
        guard let rate else { return }
        let due = start + .microseconds(Int64(sent) * 1_000_000 / Int64(rate))
        let ahead = due - .now
        guard ahead > .milliseconds(5) else { return }
        producer.serve()
        usleep(UInt32(clamping: Int64(ahead / .microseconds(1))))
    }
}

/// A bar on a terminal, otherwise a line every 5 s.
private struct Progress {
    private let total: Int
    private let output = FileOutput.standardError
    private let isTerminal: Bool
    private let interval: Duration
    private let start = ContinuousClock.now
    private var shown: ContinuousClock.Instant

    init(total: Int) {
        self.total = total
        isTerminal = output.isTerminal
        interval = isTerminal ? .milliseconds(100) : .seconds(5)
        shown = start
    }

    mutating func show(_ delivered: Int) {
        let now = ContinuousClock.now
        guard now - shown >= interval else { return }
        shown = now
        write(delivered, now)
    }

    func finish(_ delivered: Int) {
        write(delivered, .now)
        if isTerminal { output.write("\n") }
    }

    private func write(_ delivered: Int, _ now: ContinuousClock.Instant) {
        let percent = total == 0 ? 100 : delivered * 100 / total
        let perSecond = Int(Double(delivered) / max(0.001, (now - start) / .seconds(1)))
        let numbers = "\(percent) % \(delivered)/\(total) messages, \(perSecond)/s"
        guard isTerminal else {
            output.write(numbers + "\n")
            return
        }
        let filled = percent * 30 / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        output.write("\r[\(bar)] \(numbers)   ")
    }
}
