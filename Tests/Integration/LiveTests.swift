// Nothing wrong under change: updates flow at a set rate while requests are asked and each answer is judged.

import Kafka
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct LiveTests {
    static let updatesPerSecond = 5000
    /// Updates flow and requests are asked for this long at least, and on until this many are asked: on a slow machine
    /// that takes longer, up to the deadline.
    static let seconds = 20
    static let requestsMin = 600
    static let deadlineSeconds = 120
    /// What the cluster promises on a machine that runs all of it, tests included: an update is visible within this.
    static let freshnessMs: Int64 = 2000

    @Test func nothingIsWrongUnderChange() throws {
        let (binary, football) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let seed = random.next()
        let instant = ClusterTests.instants[1]
        let now = referenceMilliseconds(instant)
        let cluster = try Cluster(binary: binary)
        let reference = Reference()
        for message in try messages(of: football) {
            reference.apply(message.kind, key: message.key, value: message.value)
        }
        try cluster.publish(football)
        try cluster.startNodes(3, replicas: 2)
        let router = try cluster.startRouter(now: instant)
        // Several connections, so that the answers come from several event loops of the router.
        let clients = (0..<4).map { _ in HTTPClient(port: router.port) }
        try cluster.waitUntilApplied()

        let checker = LiveChecker(
            reference: reference, sport: "soccer", now: now, freshness: Self.freshnessMs, hotMax: 3000, seed: seed)
        let asked = try askWhileUpdating(cluster, clients, checker, seed: seed)
        #expect(
            asked >= Self.requestsMin && checker.comparedWhole > 100,
            "\(asked) requests, \(checker.comparedWhole) compared whole")

        try cluster.waitUntilApplied()
        var requests = RequestGenerator(seed: seed, reference: reference)
        for index in 0..<500 {
            if let difference = try difference(requests.next(), router, reference, now: now) {
                Issue.record("seed \(seed), request \(index) after the updates: \(difference)")
                break
            }
        }
    }

    /// Publishes what is due and asks one request, in turn, by one thread. Returns how many requests were asked.
    private func askWhileUpdating(
        _ cluster: Cluster, _ clients: [HTTPClient], _ checker: LiveChecker, seed: UInt64
    ) throws -> Int {
        let producer = try cluster.producer()
        let clock = ContinuousClock()
        let start = clock.now
        func elapsedMs() -> Int64 { Int64((clock.now - start) / .milliseconds(1)) }
        var sent = 0
        var asked = 0
        var wrongs = 0
        while wrongs < 5, elapsedMs() < Int64(asked < Self.requestsMin ? Self.deadlineSeconds : Self.seconds) * 1000 {
            // Of a machine that cannot keep up no turn is longer than this, so that the loop comes to its end.
            let due = min(Int(elapsedMs()) * Self.updatesPerSecond / 1000, sent + 1_000)
            while sent < due {
                let update = checker.nextUpdate(at: elapsedMs())
                try producer.send(update.kind, key: update.key, value: update.value)
                sent += 1
            }
            producer.serve()
            let request = checker.nextRequest()
            let sentAt = elapsedMs()
            let response = try clients[asked % clients.count].request("GET", request.target)
            asked += 1
            let found =
                response.status == 200
                ? checker.wrongs(request, body: response.body, sentAt: sentAt) : ["status \(response.status)"]
            for wrong in found {
                Issue.record("seed \(seed), request \(asked) at \(sentAt) ms: \(wrong): \(request.target)")
                wrongs += 1
            }
        }
        try producer.flushAll()
        #expect(wrongs > 0 || sent >= Self.updatesPerSecond * Self.seconds * 95 / 100, "only \(sent) updates")
        return asked
    }
}
