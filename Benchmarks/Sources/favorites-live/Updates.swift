import Kafka
import Load
import Logging
import Model
import TestSupport

/// Publishes the checker's updates at a rate, in batches: the next one begins when the broker has taken the last, so that
/// the checker knows of each change when it was published.
struct Updates {
    /// Between two batches at most; so an update is this much late at most.
    private static let batchNs: Int64 = 20_000_000
    /// What may be made up for after the broker was away: a tenth of a second's.
    private static let owedSecondsMax = 0.1
    /// Longer than any broker is away here: no update is given up.
    private static let deliveryTimeoutMs = 600_000

    private let producer: KafkaProducer
    private let rate: Int
    private var nextBatch: Int64 = 0
    private var from: Int64 = 0
    private var given = 0
    private var isOnItsWay = false
    private(set) var sent = 0
    /// The longest that a batch was on its way.
    private(set) var slowestNs: Int64 = 0
    private var batchAt: Int64 = 0

    init(brokers: String, rate: Int) throws {
        self.rate = rate
        producer = try KafkaProducer(
            options: KafkaClientOptions(brokers: brokers, clientID: "favorites-live"),
            topics: ModelKind.allCases.map { "favorites-api-\($0.plural)" }, deliveryTimeoutMs: Self.deliveryTimeoutMs,
            logger: Logger(label: "favorites-live"))
    }

    var failed: Int { producer.counts.failed }
    /// Everything was delivered or has failed.
    var isDone: Bool { !isOnItsWay }

    /// Takes note of what was delivered and sends what is due; without `sends` it sends nothing more.
    mutating func turn(_ checker: LiveChecker, now: Int64, sends: Bool) throws {
        for complaint in producer.serve() { complain(complaint) }
        if isOnItsWay {
            guard producer.counts.delivered + producer.counts.failed == sent else { return }
            isOnItsWay = false
            slowestNs = max(slowestNs, now - batchAt)
            checker.delivered(at: now)
        }
        guard sends, now >= nextBatch else { return }
        nextBatch = now + Self.batchNs
        batchAt = now
        for _ in 0..<due(now) {
            let update = checker.nextUpdate()
            try producer.produce(topic: Int(update.kind.rawValue), key: update.key, value: update.value)
            sent += 1
            isOnItsWay = true
        }
    }

    private mutating func due(_ now: Int64) -> Int {
        if from == 0 { from = now }
        let owed = Int(Double(now - from) / 1e9 * Double(rate)) - given
        let most = max(1, Int(Self.owedSecondsMax * Double(rate)))
        guard owed > most else {
            given += owed
            return owed
        }
        from = now
        given = 0
        return most
    }
}
