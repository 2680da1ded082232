// The cluster against the reference, byte for byte: real processes, real fixtures, a clock that stands still.

import Kafka
import Model
import Offer
import TestSupport
import Testing

/// Integration tests run one after another: each has a whole cluster, and the machine may be small.
@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct ClusterTests {
    static let instants = ["2018-12-26T00:00:00Z", "2026-03-13T12:00:00Z"]
    static let requests = 2000
    static let updates = 20_000

    /// A loaded cluster, with a router for each instant.
    struct Loaded {
        let cluster: Cluster
        let reference: Reference
        var routers: [(client: HTTPClient, now: Int64)] = []
        let seed: UInt64

        init(binary: String, messages: [OfferMessage], publish: (Cluster) throws -> Void, seed: UInt64) throws {
            self.seed = seed
            cluster = try Cluster(binary: binary)
            reference = Reference()
            for message in messages { reference.apply(message.kind, key: message.key, value: message.value) }
            try publish(cluster)
            try cluster.startNodes(3, replicas: 2)
            for now in ClusterTests.instants {
                routers.append((try cluster.startRouter(now: now), referenceMilliseconds(now)))
            }
            try cluster.waitUntilApplied()
        }

        /// Compares `count` random requests, half at each instant. Stops after a few differences.
        func compare(_ count: Int, _ round: String) throws {
            var requests = RequestGenerator(seed: seed, reference: reference)
            var differences = 0
            for index in 0..<count where differences < 5 {
                let router = routers[index % routers.count]
                let request = requests.next()
                if let difference = try difference(request, router.client, reference, now: router.now) {
                    Issue.record("seed \(seed), \(round), request \(index): \(difference)")
                    differences += 1
                }
            }
        }

        /// Publishes random updates and applies them to the reference.
        func update(_ count: Int) throws {
            let producer = try cluster.producer()
            var updates = UpdateGenerator(seed: seed, reference: reference)
            for _ in 0..<count {
                let update = updates.next()
                reference.apply(update.kind, key: update.key, value: update.value)
                try producer.send(update.kind, key: update.key, value: update.value)
            }
            try producer.flushAll()
            try cluster.waitUntilApplied()
        }
    }

    @Test func agreesWithTheReference() throws {
        let (binary, football) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let loaded = try Loaded(
            binary: binary, messages: messages(of: football), publish: { try $0.publish(football) }, seed: random.next()
        )
        try loaded.compare(Self.requests, "as published")
        try loaded.update(Self.updates)
        try loaded.compare(Self.requests, "after \(Self.updates) updates")
    }

    /// References arrive before and after what names them, in any order over all topics.
    @Test func agreesWhenTopicsAreShuffled() throws {
        let (binary, football) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let all = interleaved(try messages(of: football), by: &random)
        let loaded = try Loaded(
            binary: binary, messages: all,
            publish: { cluster in
                let producer = try cluster.producer()
                for message in all { try producer.send(message.kind, key: message.key, value: message.value) }
                try producer.flushAll()
            }, seed: random.next())
        try loaded.compare(Self.requests, "shuffled")
        try loaded.update(Self.updates)
        try loaded.compare(Self.requests, "shuffled, after \(Self.updates) updates")
    }
}
