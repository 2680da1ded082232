import Kafka
import Load
import Logging
import Model
import TestSupport

/// The checker's updates, published.
struct Updates {
    /// Longer than any broker is away here: no update is given up.
    private static let deliveryTimeoutMs = 600_000

    private let producer: KafkaProducer
    private(set) var flow: UpdateFlow

    init(brokers: String, rate: Int) throws {
        flow = UpdateFlow(rate: rate)
        producer = try KafkaProducer(
            options: KafkaClientOptions(brokers: brokers, clientID: "favorites-live"),
            topics: ModelKind.allCases.map { "favorites-api-\($0.plural)" }, deliveryTimeoutMs: Self.deliveryTimeoutMs,
            logger: Logger(label: "favorites-live"))
    }

    var failed: Int { producer.counts.failed }

    /// Takes note of what was delivered and sends what is due, unless it `ends`.
    mutating func turn(_ checker: LiveChecker, now: Int64, ends: Bool) throws {
        for complaint in producer.serve() { complain(complaint) }
        let done = producer.counts.delivered + producer.counts.failed
        try flow.turn(checker, now: now, done: done, ends: ends) { update in
            try producer.produce(topic: Int(update.kind.rawValue), key: update.key, value: update.value)
        }
    }
}
