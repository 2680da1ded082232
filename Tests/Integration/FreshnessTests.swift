// How old an answer may be, as clients see it: the headers, and a broker that does not answer.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct FreshnessTests {
    private static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2&teamIds=t3"
    private static let freshness = "favorites-freshness-ms"

    private struct Setup {
        let kafka: TestKafka
        let reference = Reference()
        let served: Served

        init() throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary)
            try SmallOffer().publish(try kafka.producer(), reference)
            served = try Served(kafka)
            try served.waitUntilRight(FreshnessTests.target, reference)
        }

        func ask(_ method: String = "GET", bound: String? = nil, tag: String? = nil) throws -> HTTPResponse {
            var headers: [(String, String)] = []
            if let bound { headers.append(("Favorites-Max-Staleness-Ms", bound)) }
            if let tag { headers.append(("If-None-Match", tag)) }
            return try served.client.request(method, FreshnessTests.target, headers: headers)
        }

        /// Asks until the answer has this status, and returns it.
        func wait(for status: Int, bound: String, seconds: Double = 20) throws -> HTTPResponse {
            var last = try ask(bound: bound)
            try TestSupport.wait(seconds: seconds, for: "status \(status), not \(last.status): \(last.text)") {
                last = try ask(bound: bound)
                return last.status == status
            }
            return last
        }
    }

    @Test func answersSayHowOldTheyMayBe() throws {
        let setup = try Setup()
        let plain = try setup.ask()
        let tag = try #require(plain["etag"])
        #expect(plain[Self.freshness].flatMap { UInt32($0) } != nil)
        #expect(plain["access-control-expose-headers"]?.contains("Favorites-Freshness-Ms") == true)
        // The bound is met sooner or later, and changes nothing of the answer.
        let bounded = try setup.wait(for: 200, bound: "30000")
        #expect(bounded.body == plain.body && bounded["etag"] == tag)
        let head = try setup.ask("HEAD")
        #expect(head.status == 200 && head.body.isEmpty && head[Self.freshness] != nil)
        let unchanged = try setup.ask(tag: tag)
        #expect(unchanged.status == 304 && unchanged[Self.freshness] != nil && unchanged["etag"] == tag)
        let teams = try setup.served.client.request("GET", "/v1/api/app/myt/soccer?teamIds=t3")
        #expect(teams.status == 200 && teams[Self.freshness] != nil)
        let preflight = try setup.served.client.request("OPTIONS", Self.target)
        #expect(preflight["access-control-allow-headers"]?.contains("Favorites-Max-Staleness-Ms") == true)
        for bound in ["", "-1", "1.5", "soon", "1,2"] {
            let refused = try setup.ask(bound: bound)
            #expect(refused.status == 400 && refused["content-type"] == "application/problem+json", "'\(bound)'")
            #expect(refused.text.contains("Favorites-Max-Staleness-Ms"), "\(refused.text)")
        }
    }

    @Test func whatBecameVisibleIsMeasured() throws {
        let setup = try Setup()
        let producer = try setup.kafka.producer()
        // The first is what the measure begins from; each later one that is asked for is counted.
        for score in 1...5 {
            let event = SmallOffer.event(1, home: 1, away: 2, score: score)
            setup.reference.apply(.event, key: Array("e1".utf8), value: Array(event.utf8))
            try producer.send(.event, key: Array("e1".utf8), value: Array(event.utf8))
            try producer.flushAll()
            try setup.served.waitUntilRight(Self.target, setup.reference)
        }
        let count = try setup.served.metric("produce_to_visible_seconds_count")
        let sum = try setup.served.metric("produce_to_visible_seconds_sum")
        #expect(count >= 4, "\(count)")
        // Not minutes: a time in the wrong unit, or of the wrong clock, would be.
        #expect(sum / count < 10, "\(sum) in \(count)")
        #expect(try setup.served.metric("answer_freshness_seconds_count") > 0)
        #expect(try setup.served.metric("kafka_visible_seconds_count") > 0)
        #expect(try setup.served.management.request("GET", "/metrics").text.contains("kafka_partition_lag_ms{"))
        #expect(try setup.served.metric("kafka_partition_lag_messages") == 0)
    }

    @Test(.enabled(if: TestKafka.isEmbedded, TestKafka.embedded))
    func aBrokerThatDoesNotAnswerMakesAnswersOld() throws {
        let setup = try Setup()
        _ = try setup.wait(for: 200, bound: "2000")
        let broker = try #require(setup.kafka.broker)
        broker.send(signal: SIGSTOP)
        // However the test ends, the broker must be able to.
        defer { broker.send(signal: SIGCONT) }
        let refused = try setup.wait(for: 503, bound: "2000")
        #expect(refused["content-type"] == "application/problem+json" && refused["retry-after"] == "1")
        #expect(refused["cache-control"] == "no-store")
        let best = try #require(refused[Self.freshness].flatMap { UInt32($0) })
        #expect(best > 2_000)
        #expect(refused.text.contains("allows 2000"), "\(refused.text)")
        // Who sets no bound is answered, and told.
        let unbounded = try setup.ask()
        #expect(unbounded.status == 200)
        #expect(try #require(unbounded[Self.freshness].flatMap { UInt32($0) }) >= best)
        #expect(try setup.served.metric("router_requests_stale_total") >= 1)
        broker.send(signal: SIGCONT)
        _ = try setup.wait(for: 200, bound: "2000", seconds: 60)
    }
}
