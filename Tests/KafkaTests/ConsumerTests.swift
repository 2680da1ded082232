import Kafka
import Model
import Testing

private let first = PartitionID(0)

@Suite(.timeLimit(.minutes(4)))
struct ConsumerTests {
    @Test func nullAndEmptyAreToldApart() throws {
        let harness = try Harness(topics: ["t": 1])
        let messages: [(key: [UInt8]?, value: [UInt8]?)] = [
            ([1], [2]), ([1], nil), ([1], []), (nil, [2]), ([], [2]), (nil, nil), ([0, 255], [0]),
        ]
        try publish(messages, with: harness.producer())
        harness.consumer.start(0, first, at: Offset(0))
        try harness.poll { $0.reached(0, first, 7) }
        #expect(harness.records.map(\.key) == messages.map(\.key))
        #expect(harness.records.map(\.value) == messages.map(\.value))
        #expect(harness.records.map(\.offset) == (0..<7).map { Offset($0) })
        #expect(harness.records.allSatisfy { $0.timestampMs > 1_600_000_000_000 })
    }

    @Test(arguments: ["none", "lz4"]) func aMessageOfOneMebibytePasses(codec: String) throws {
        let harness = try Harness(topics: ["t": 1])
        var generator = SystemRandomNumberGenerator()
        let value = (0..<(1 << 20)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try publish([([1], value)], with: harness.producer(["compression.codec": codec]))
        harness.consumer.start(0, first, at: Offset(0))
        try harness.poll { $0.reached(0, first, 1) }
        #expect(harness.records.map(\.value) == [value])
    }

    @Test func theEndComesOnceForEachPosition() throws {
        let harness = try Harness(topics: ["t": 2])
        let producer = try harness.producer()
        harness.consumer.start(0, first, at: Offset(0))
        harness.consumer.start(0, PartitionID(1), at: Offset(0))
        try harness.poll { $0.reached(0, first, 0) && $0.reached(0, PartitionID(1), 0) }
        try publish([([1], [1]), ([1], [2])], with: producer)
        try harness.poll { $0.reached(0, first, 2) }
        try publish([([1], [3])], with: producer)
        try harness.poll { $0.reached(0, first, 3) }
        let ends = harness.events.filter { $0 == .endReached(topic: 0, partition: first, position: Offset(3)) }
        #expect(ends.count == 1)
        #expect(harness.records.map(\.value) == [[1], [2], [3]])
    }

    @Test func readingStartsInTheMiddleOfABatch() throws {
        let harness = try Harness(topics: ["t": 1])
        try publish((0..<10).map { ([1], [UInt8($0)]) }, with: harness.producer())
        harness.consumer.start(0, first, at: Offset(6))
        try harness.poll { $0.reached(0, first, 10) }
        #expect(harness.records.map(\.value) == [[6], [7], [8], [9]])
    }

    @Test func noMoreThanAskedForIsHandedOver() throws {
        let harness = try Harness(topics: ["t": 1])
        try publish((0..<50).map { ([1], [UInt8($0)]) }, with: harness.producer())
        harness.consumer.start(0, first, at: Offset(0))
        let start = ContinuousClock.now
        while harness.records.count < 50, ContinuousClock.now - start < Harness.deadline {
            let before = harness.records.count
            harness.poll(recordsMax: 7)
            #expect(harness.records.count - before <= 7)
        }
        #expect(harness.records.map(\.value) == (0..<50).map { [UInt8($0)] })
    }

    /// The embedded broker keeps 5 MiB a partition.
    @Test func aPositionBelowTheLogIsLostAndReadingGoesOnAtItsStart() throws {
        let harness = try Harness(topics: ["t": 1])
        let value = [UInt8](repeating: 7, count: 1 << 20)
        let producer = try harness.producer(["compression.codec": "none", "batch.num.messages": "1"])
        for index in 0..<10 { try publish([([UInt8(index)], value)], with: producer) }
        let bounds = try #require(harness.consumer.bounds(of: 0, first))
        #expect(bounds.start > Offset(0))
        #expect(bounds.end == Offset(10))
        harness.consumer.start(0, first, at: Offset(0))
        try harness.poll { $0.reached(0, first, 10) }
        #expect(harness.events.filter { $0 == .positionLost(topic: 0, partition: first) }.count == 1)
        #expect(harness.records.map(\.offset) == (bounds.start.rawValue..<10).map { Offset($0) })
    }

    @Test func aPositionBeyondTheLogIsLostToo() throws {
        let harness = try Harness(topics: ["t": 1])
        try publish([([1], [1]), ([1], [2])], with: harness.producer())
        harness.consumer.start(0, first, at: Offset(1_000))
        try harness.poll { $0.reached(0, first, 2) }
        #expect(harness.events.first == .positionLost(topic: 0, partition: first))
        #expect(harness.records.map(\.value) == [[1], [2]])
    }

    @Test func aBrokerThatWasAwayIsReadOn() throws {
        let harness = try Harness(topics: ["t": 1])
        let producer = try harness.producer()
        try publish([([1], [1])], with: producer)
        harness.consumer.start(0, first, at: Offset(0))
        try harness.poll { $0.reached(0, first, 1) }
        try harness.broker.setDown()
        try harness.poll { harness in
            harness.events.contains { if case .failure = $0 { true } else { false } }
        }
        try harness.broker.setUp()
        try publish([([1], [2])], with: producer)
        try harness.poll { $0.records.count == 2 }
        #expect(harness.records.map(\.value) == [[1], [2]])
    }

    @Test func stoppingAndClosingNeedNoBroker() throws {
        let harness = try Harness(topics: ["t": 64])
        for partition in 0..<64 { harness.consumer.start(0, PartitionID(partition), at: Offset(0)) }
        try harness.poll { $0.reached(0, PartitionID(63), 0) }
        try harness.broker.setDown()
        let start = ContinuousClock.now
        for partition in 0..<32 { harness.consumer.stop(0, PartitionID(partition)) }
        harness.close()
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    /// As the control topic is read: from some messages before the end, with their times.
    @Test func theTailIsReadWithTimes() throws {
        let harness = try Harness(topics: ["t": 1])
        try publish((0..<100).map { ([UInt8($0)], [1]) }, with: harness.producer())
        let end = try #require(harness.consumer.bounds(of: 0, first)).end
        harness.consumer.start(0, first, at: Offset(end.rawValue - 5))
        try harness.poll { $0.reached(0, first, 100) }
        #expect(harness.records.map(\.key) == (95..<100).map { [UInt8($0)] })
        let times = harness.records.map(\.timestampMs)
        #expect(times == times.sorted())
        #expect(times.allSatisfy { $0 > 1_600_000_000_000 })
    }

    @Test func nothingComesAfterStop() throws {
        let harness = try Harness(topics: ["t": 2])
        let producer = try harness.producer()
        for partition in [first, PartitionID(1)] {
            try publish((0..<200).map { ([1], [UInt8($0)]) }, partition: partition, with: producer)
        }
        harness.consumer.start(0, first, at: Offset(0))
        harness.consumer.start(0, PartitionID(1), at: Offset(0))
        // Stopped from within a batch, at the third record.
        var isStopped = false
        let start = ContinuousClock.now
        while !isStopped, ContinuousClock.now - start < Harness.deadline {
            harness.poll { seen in
                guard seen.partition == first, seen.offset == Offset(2) else { return }
                harness.consumer.stop(0, first)
                isStopped = true
            }
        }
        try harness.poll { $0.reached(0, PartitionID(1), 200) }
        #expect(harness.records.filter { $0.partition == first }.map(\.offset) == (0..<3).map { Offset($0) })
        harness.forget()
        // And begun again elsewhere: nothing of the old reading is left.
        harness.consumer.start(0, first, at: Offset(198))
        try harness.poll { $0.reached(0, first, 200) }
        #expect(harness.records.map(\.offset) == [Offset(198), Offset(199)])
    }

    @Test func anUnknownTopicHasNoPartitionsAndIsNotMade() throws {
        let harness = try Harness(topics: ["known": 3])
        let consumer = try KafkaConsumer(options: harness.options, topics: ["unknown", "known"], logger: quiet)
        for _ in 0..<3 {
            #expect(consumer.partitionCount(of: 0) == nil)
            #expect(consumer.bounds(of: 0, first) == nil)
        }
        #expect(consumer.partitionCount(of: 1) == 3)
        #expect(consumer.bounds(of: 1, first) == LogBounds(start: Offset(0), end: Offset(0)))
        // Made later, it is found.
        try harness.broker.createTopic("unknown", partitions: 5)
        #expect(consumer.partitionCount(of: 0) == 5)
    }

    @Test func theSixTopicsComeAsModels() throws {
        let topics = ModelKind.allCases.map { "favorites-api-\($0.plural)" }
        let harness = try Harness(topics: Dictionary(uniqueKeysWithValues: topics.map { ($0, 1) }))
        let source = try KafkaRecordSource(options: harness.options, topics: topics, logger: quiet)
        let producer = try KafkaProducer(options: harness.options, topics: topics, logger: quiet)
        for kind in ModelKind.allCases {
            try producer.produce(topic: Int(kind.rawValue), key: Array("k".utf8), value: Array(kind.name.utf8))
        }
        try #require(producer.flush(timeoutMs: 60_000))
        for kind in ModelKind.allCases {
            try #require(source.partitionCount(of: kind) == 1)
            #expect(source.bounds(of: [TopicPartition(kind, first)]) == [LogBounds(start: Offset(0), end: Offset(1))])
            source.start(TopicPartition(kind, first), at: Offset(0))
        }
        var values: [ModelKind: String] = [:]
        var ends: Set<ModelKind> = []
        let start = ContinuousClock.now
        while ends.count < 6, ContinuousClock.now - start < Harness.deadline {
            unsafe source.poll(recordsMax: 100, timeoutMs: 20) { record in
                unsafe values[record.source.kind] = unsafe record.value.map {
                    unsafe String(decoding: $0, as: UTF8.self)
                }
            } event: { event in
                if case .endReached(let partition, Offset(1)) = event { ends.insert(partition.kind) }
            }
        }
        for kind in ModelKind.allCases { #expect(values[kind] == kind.name) }
    }
}

private func ~= (pattern: Offset, value: Offset) -> Bool { pattern == value }
