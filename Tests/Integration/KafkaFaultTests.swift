// Kafka as it is: it stops and goes on, dies, trims its logs and carries what nobody should have sent. Reads go on.
//
// What a real Kafka can be asked for too runs against the one that `FAVORITES_TEST_KAFKA` names; what needs the broker's
// own process, or its small logs, is the embedded broker's alone.

import Foundation
import Kafka
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct KafkaFaultTests {
    static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2&teamIds=t3"

    private struct Setup {
        let kafka: TestKafka
        let reference = Reference()
        let producer: KafkaProducer

        init(partitions: Int = 4) throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary, partitions: partitions)
            producer = try kafka.producer()
            try SmallOffer().publish(producer, reference)
        }

        func send(_ kind: ModelKind, _ key: String, _ value: [UInt8]?) throws {
            reference.apply(kind, key: Array(key.utf8), value: value)
            try producer.send(kind, key: Array(key.utf8), value: value)
        }

        func sendScore(_ score: Int) throws {
            try send(.event, "e1", Array(SmallOffer.event(1, home: 1, away: 2, score: score).utf8))
        }
    }

    /// Asks until `seconds` have passed; every answer must be the reference's. The time is the subject here: so long
    /// is the broker away.
    private func expectServing(_ served: Served, _ reference: Reference, seconds: Double) throws {
        let expected = reference.answer(method: "GET", target: Self.target, now: Served.nowMs)
        let end = Date().addingTimeInterval(seconds)
        var answers = 0
        while Date() < end {
            let response = try served.client.request("GET", Self.target)
            try #require(response.status == 200 && response.body == expected.body, "\(response.text.prefix(300))")
            answers += 1
        }
        #expect(answers > 100)
    }

    // MARK: - A broker that is away

    @Test(.enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
    func aBrokerThatStopsForSecondsStopsNoReads() throws {
        let setup = try Setup()
        let broker = try #require(setup.kafka.broker)
        let served = try Served(setup.kafka)
        try served.waitUntilRight(Self.target, setup.reference)

        broker.send(signal: SIGSTOP)
        // However the test ends, the broker must be able to.
        defer { broker.send(signal: SIGCONT) }
        try expectServing(served, setup.reference, seconds: 8)
        #expect(served.isReady)
        // A second member cannot start yet: it says for what it waits.
        let late = try Served(setup.kafka, name: "late", waits: false)
        _ = try late.process.waitForLine(containing: "no broker answers", seconds: 30)
        #expect(try late.management.request("GET", "/health/live").status == 200)
        #expect(try late.management.request("GET", "/health/ready").status == 503)

        broker.send(signal: SIGCONT)
        try late.waitUntilReady()
        try late.waitUntilRight(Self.target, setup.reference)
        try setup.sendScore(7)
        try setup.producer.flushAll()
        for member in [served, late] { try member.waitUntilRight(Self.target, setup.reference) }
    }

    @Test(.enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
    func aBrokerThatDiesStopsNoReads() throws {
        let setup = try Setup()
        let served = try Served(setup.kafka)
        try served.waitUntilRight(Self.target, setup.reference)
        let failures = try served.metric("kafka_failures_total")
        try #require(setup.kafka.broker).kill()
        try wait(seconds: 20, for: "the failure to be counted") {
            try served.metric("kafka_failures_total") > failures
        }
        // Longer than it takes until a silent member is left.
        try expectServing(served, setup.reference, seconds: 8)
        #expect(served.isReady)
        served.process.send(signal: SIGTERM)
        #expect(try served.process.waitForExit(seconds: 40) == 0)
    }

    // MARK: - Messages that nobody should have sent

    @Test func invalidAndUnknownMessagesChangeNothing() throws {
        let setup = try Setup()
        let served = try Served(setup.kafka)
        try served.waitUntilRight(Self.target, setup.reference)

        // Legal JSON but for its size: 1 MB, and just over the limit of 256 KiB. Just below it is legal.
        for size in [1_000_000, Limits.messageBytesMax + 1, Limits.messageBytesMax] {
            let start = String(SmallOffer.event(1, home: 1, away: 2, score: size % 10).dropLast()) + #","more":""#
            let filler = String(repeating: "m", count: size - start.utf8.count - 2)
            try setup.send(.event, "e1", Array((start + filler + "\"}").utf8))
            try setup.send(.participant, "t3", Array(repeating: 0x20, count: size))
        }
        // Deletions of what never was, and a key that is no id.
        for kind in ModelKind.allCases {
            try setup.send(kind, "never", nil)
            try setup.send(kind, "no id", nil)
        }
        try setup.send(.event, "e2", Array("{}".utf8))
        try setup.send(.event, "e2", [])
        try setup.send(.event, "e3", [0xFF, 0])
        try setup.sendScore(9)
        try setup.producer.flushAll()
        try served.waitUntilRight(Self.target, setup.reference)
        try wait(seconds: 20, for: "the invalid ones to be counted") {
            let events = try served.metric("invalid_model_total", #"model="event""#)
            let participants = try served.metric("invalid_model_total", #"model="participant""#)
            return events >= 5 && participants >= 3
        }
        let line = try served.process.waitForLine(containing: "invalid")
        #expect(line.contains("offset"), "\(line)")

        // Who starts later reads the same.
        let late = try Served(setup.kafka, name: "late")
        try late.waitUntilRight(Self.target, setup.reference)
    }

    // MARK: - A log that starts above 0

    /// The embedded broker keeps 5 MiB of a partition: what is older is gone, and a fresh process takes what is left.
    @Test(.enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
    func aTrimmedLogLoadsWhatIsLeft() throws {
        let setup = try Setup(partitions: 1)
        let old = try Served(setup.kafka)
        try old.waitUntilRight(Self.target, setup.reference)
        var values: [(key: String, value: [UInt8])] = []
        // Random, since producers compress.
        var random = SeededGenerator.forTest()
        for number in 100..<160 {
            let start = String(SmallOffer.event(number, home: 3, away: 4).dropLast()) + #","more":""#
            let filler = (0..<200_000).map { _ in UInt8.random(in: 0x61...0x7A, using: &random) }
            let value = Array(start.utf8) + filler + Array("\"}".utf8)
            values.append(("e\(number)", value))
            try setup.send(.event, "e\(number)", value)
        }
        try setup.producer.flushAll()
        let bounds = try setup.kafka.bounds(.event, 0)
        #expect(bounds.start.rawValue > 40 && bounds.end.rawValue == 100, "\(bounds)")

        let left = Reference()
        for message in SmallOffer().messages where message.kind != .event {
            left.apply(message.kind, key: message.key, value: message.value)
        }
        for (key, value) in values.suffix(Int(bounds.end.rawValue - bounds.start.rawValue)) {
            left.apply(.event, key: Array(key.utf8), value: value)
        }
        let ids = "e1,e2," + values.map(\.key).joined(separator: ",")
        let target = "/v1/api/app/mym/soccer?eventIds=\(ids)&teamIds=t3"
        // The older process keeps all it has read.
        try old.waitUntilRight(target, setup.reference)
        old.process.send(signal: SIGTERM)
        try old.process.waitForExit(seconds: 40)
        let fresh = try Served(setup.kafka, name: "fresh")
        try fresh.waitUntilRight(target, left)
    }
}
