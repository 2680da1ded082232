// A broker that is away fails many times a second; the reader of the log wants to know it once a second.

import Model

/// Lets one failure a second through: the newest, with a count of those it stands for.
struct FailureGate {
    static let interval = Duration.seconds(1)

    private var newest: (topic: Int?, partition: PartitionID?, reason: String)?
    private var others = 0
    private var passed: ContinuousClock.Instant?

    mutating func add(_ topic: Int?, _ partition: PartitionID?, _ reason: String) {
        if newest != nil { others += 1 }
        newest = (topic, partition, reason)
    }

    mutating func next(_ now: ContinuousClock.Instant) -> KafkaEvent? {
        guard let newest, passed.map({ now - $0 >= Self.interval }) ?? true else { return nil }
        let reason = others == 0 ? newest.reason : "\(newest.reason) (and \(others) more)"
        self.newest = nil
        others = 0
        passed = now
        return .failure(topic: newest.topic, partition: newest.partition, reason: reason)
    }
}
