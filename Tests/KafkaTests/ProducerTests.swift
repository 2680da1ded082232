import Kafka
import Model
import Testing

/// Keys with the murmur2 that Kafka's own tests (UtilsTest) expect of them.
private let goldenHashes: [(key: String, hash: Int32)] = [
    ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
]

@Suite(.timeLimit(.minutes(4)))
struct ProducerTests {
    @Test(arguments: [1, 7, 12, 128])
    func keysLieWhereKafkaPutsThem(partitions: Int) throws {
        let harness = try Harness(topics: ["t": partitions])
        try publish(
            goldenHashes.map { (Array($0.key.utf8), [1]) }, partition: nil, with: harness.producer())
        for partition in 0..<partitions { harness.consumer.start(0, PartitionID(partition), at: Offset(0)) }
        try harness.poll { $0.records.count == goldenHashes.count }
        for (key, hash) in goldenHashes {
            let record = harness.records.first { $0.key == Array(key.utf8) }
            #expect(record?.partition == PartitionID(Int(hash & 0x7fff_ffff) % partitions), "\(key)")
        }
    }

    @Test func deliveriesAreCounted() throws {
        let harness = try Harness(topics: ["t": 3])
        let producer = try harness.producer()
        for partition in 0..<3 {
            try publish(
                (0..<(partition + 1) * 100).map { _ in ([1], [1]) }, partition: PartitionID(partition), with: producer)
        }
        #expect(producer.counts.delivered == 600)
        #expect(producer.counts.firstError == nil)
        let second = try harness.producer()
        try publish([([1], [1])], partition: PartitionID(2), with: second)
        #expect(
            producer.firstOffsets(of: 0).mapValues(\.rawValue)
                == [0, 1, 2].reduce(into: [:]) { $0[PartitionID($1)] = 0 })
        #expect(second.firstOffsets(of: 0) == [PartitionID(2): Offset(300)])
    }

    @Test func whatNoBrokerTakesHasFailed() throws {
        let harness = try Harness(topics: ["t": 1])
        let producer = try KafkaProducer(
            options: harness.options, topics: ["t"], queueMessagesMax: 10, deliveryTimeoutMs: 500, logger: quiet)
        try publish([([1], [1])], with: producer)
        try harness.broker.setDown()
        // More than the queue holds: the producer waits for room, which comes when messages time out.
        for _ in 0..<25 { try producer.produce(topic: 0, key: [1], value: [2]) }
        #expect(producer.flush(timeoutMs: 60_000))
        #expect(producer.counts.delivered == 1)
        #expect(producer.counts.failed == 25)
        #expect(producer.counts.firstError != nil)
    }

    @Test func topicsAreNotMadeByWriting() throws {
        let harness = try Harness(topics: ["t": 1])
        let producer = try KafkaProducer(options: harness.options, topics: ["missing"], logger: quiet)
        let error = #expect(throws: KafkaError.self) { try producer.produce(topic: 0, key: [1], value: [1]) }
        #expect(error?.code == .unknownTopic)
        #expect(error?.isRetriable == true)
        let admin = try KafkaAdmin(options: harness.options, logger: quiet)
        #expect(try admin.partitionCounts() == ["t": 1])
    }

    @Test func aMessageTooLargeIsRefused() throws {
        let harness = try Harness(topics: ["t": 1])
        let error = #expect(throws: KafkaError.self) {
            try harness.producer().produce(topic: 0, key: [1], value: [UInt8](repeating: 1, count: 3 << 20))
        }
        #expect(error?.code == .messageTooLarge)
    }
}
