// How fresh answers are, bounds to it, and load that nodes shed, over links.

import FanOut
import Link
import Model
import NIOCore
import Query
import Synchronization
import Testing

@Suite struct FreshnessTests {
    /// What a receiver was told.
    private final class Receiver: AnswerReceiver {
        let done: EventLoopPromise<(Freshness, [Int64])>

        init(_ done: EventLoopPromise<(Freshness, [Int64])>) { self.done = done }

        func answered(_ gathered: borrowing GatheredParts, token: UInt64) {
            done.succeed((unsafe gathered.freshness, unsafe gathered.news))
        }

        func failed(_ failure: FanOutFailure, token: UInt64) { done.fail(failure) }
    }

    private func ask(
        _ cluster: Cluster, boundMs: UInt32 = .max
    ) async throws -> (freshness: Freshness, news: [Int64]) {
        let (clients, loop) = (cluster.clients, cluster.loop)
        let answer = loop.flatSubmit {
            let done = loop.makePromise(of: (Freshness, [Int64]).self)
            var query = holderQuery()
            query.stalenessMaxMs = boundMs
            clients.client(on: loop).ask(query, need: .allPartitions, receiver: Receiver(done), token: 0)
            return done.futureResult
        }
        let (freshness, news) = try await answer.get()
        return (freshness, news)
    }

    private func set(_ cluster: Cluster, _ node: Int, ageMs: UInt32, newestMs: Int64 = 0) {
        cluster.scripts[node].state.withLock { $0.freshness = Freshness(ageMs: ageMs, newestMs: newestMs) }
    }

    @Test func anAnswerIsAsOldAsItsOldestPart() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([LinkTests.set(0), LinkTests.set(1)])
        set(cluster, 0, ageMs: 30)
        set(cluster, 1, ageMs: 700)
        #expect(try await ask(cluster).freshness.ageMs == 700)
        set(cluster, 1, ageMs: 5)
        #expect(try await ask(cluster).freshness.ageMs == 30)
        try await cluster.stop()
    }

    @Test func aHolderThatIsTooOldIsLeftForAnother() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([LinkTests.set(0), LinkTests.set(0)])
        set(cluster, 0, ageMs: 300)
        set(cluster, 1, ageMs: 100)
        for _ in 0..<4 { #expect(try await ask(cluster, boundMs: 200).freshness.ageMs == 100) }
        try await cluster.stop()
    }

    @Test func whereNoneIsFreshEnoughTheBestIsTold() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([LinkTests.set(0), LinkTests.set(0)])
        set(cluster, 0, ageMs: 300)
        set(cluster, 1, ageMs: 100)
        await #expect(throws: FanOutFailure.stale(freshnessMs: 100)) { try await ask(cluster, boundMs: 99) }
        #expect(try await ask(cluster, boundMs: 100).freshness.ageMs == 100)
        try await cluster.stop()
    }

    /// The first says how far the node was before; each message counts once on a link.
    @Test func newsIsWhatIsNewerThanAllBefore() async throws {
        let cluster = try await Cluster(nodes: 1)
        cluster.route([LinkTests.set(0)])
        var told: [[Int64]] = []
        for newestMs in [40, 40, 50, 45, 50, 60] as [Int64] {
            set(cluster, 0, ageMs: 0, newestMs: newestMs)
            told.append(try await ask(cluster).news)
        }
        #expect(told == [[], [], [50], [], [], [60]])
        try await cluster.stop()
    }

    @Test func aNodeThatShedsIsLeftForAnotherAndThenTheRequestFails() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([LinkTests.set(0), LinkTests.set(0)])
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .overloaded }
        for _ in 0..<4 { #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"])) }
        cluster.scripts[1].state.withLock { $0.alwaysRefuses = .overloaded }
        #expect(await cluster.ask(.allPartitions) == .failure(.overloaded))
        try await cluster.stop()
    }

    @Test func queriesOfATurnThatLastsTooLongAreShed() async throws {
        let cluster = try await Cluster(nodes: 1) { settings in
            settings.queueAgeMax = .nanoseconds(-1)
            settings.queueFree = 0
        }
        cluster.route([LinkTests.set(0)])
        #expect(await cluster.ask(.allPartitions) == .failure(.overloaded))
        #expect(cluster.servers[0].counters.shed.load(ordering: .relaxed) > 0)
        #expect(cluster.scripts[0].askedCount == 0)
        try await cluster.stop()
    }

    @Test func repliesThatWaitForOthersAreLimitedInBytes() async throws {
        var settings = LinkClientSettings()
        settings.replyBytesMax = 5_000
        let cluster = try await Cluster(nodes: 2, settings: settings)
        cluster.route([LinkTests.set(0), LinkTests.set(1)])
        for node in 0..<2 { cluster.scripts[node].state.withLock { $0.jsonBytes = 2_000 } }
        // What one answer held is given back for the next.
        for _ in 0..<10 {
            guard case .success = await cluster.ask(.allPartitions) else {
                Issue.record("refused below the limit")
                break
            }
        }
        cluster.scripts[1].state.withLock { $0.jsonBytes = 6_000 }
        #expect(await cluster.ask(.allPartitions) == .failure(.overloaded))
        cluster.scripts[1].state.withLock { $0.jsonBytes = 0 }
        guard case .success = await cluster.ask(.allPartitions) else {
            Issue.record("refused after the limit was left")
            return
        }
        try await cluster.stop()
    }
}
