import FanOut
import Link
import Model
import NIOCore
import Query
import Synchronization
import TestSupport
import Testing

/// Answers of this process's own holder, without an ask.
@Suite struct InPlaceTests {
    /// What was answered in place; nil where it was not.
    private func inPlace(_ cluster: Cluster, _ need: Need) async throws -> [String]? {
        let (clients, loop) = (cluster.clients, cluster.loop)
        return try await loop.submit { () -> [String]? in
            var query = holderQuery()
            var texts: [String]?
            let isAnswered = unsafe clients.client(on: loop).answerInPlace(&query, need: need) { part, _, _ in
                texts = unsafe part.events.indices.map { index in
                    let json = unsafe part.events[index].json
                    return unsafe String(
                        decoding: UnsafeBufferPointer(start: json.start, count: json.count), as: UTF8.self)
                }
            }
            #expect(isAnswered == (texts != nil))
            return texts
        }.get()
    }

    @Test func onlyWhereAllIsHeldHere() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 1, local: local)
        cluster.route([set(0, 1)], local: set(1))
        #expect(try await inPlace(cluster, .partitions(set(1))) == ["local 1 t"])
        #expect(try await inPlace(cluster, .partitions(set(0, 1))) == nil)
        #expect(try await inPlace(cluster, .allPartitions) == nil)
        cluster.route([set(0, 1)], local: set(0, 1))
        #expect(try await inPlace(cluster, .allPartitions) == ["local 0 t", "local 1 t"])
        #expect(local.state.withLock { $0.asked } == [set(1), set(0, 1)])
        try await cluster.stop()
    }

    @Test func notWhereTheHolderRefuses() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 0, local: local)
        cluster.route([], local: set(0))
        local.state.withLock { $0.refusals = [.notReady] }
        #expect(try await inPlace(cluster, .allPartitions) == nil)
        #expect(try await inPlace(cluster, .allPartitions) == ["local 0 t"])
        try await cluster.stop()
    }

    /// `myt` asks for no partition; what it needs is a position of the global topics.
    @Test func aRefusalSettlesNothing() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 1, local: local)
        cluster.route([set(0)], local: set())
        cluster.scripts[0].state.withLock { $0.offset = 9 }
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        cluster.route([set(0)], local: set(0))
        local.state.withLock { $0.alwaysRefuses = .behind }
        for _ in 0..<3 { #expect(try await inPlace(cluster, .anyNode) == nil) }
        let needs = local.state.withLock { $0.needs.map { $0.globals?.offsets.first } }
        #expect(needs == [Offset(9), Offset(9), Offset(9)])
        try await cluster.stop()
    }

    @Test func notOlderThanAnotherHolderShowed() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 1, local: local)
        local.state.withLock { $0.offset = 5 }
        cluster.route([set(0)], local: set(0))
        // Settled, so that nothing is looked at a third time.
        for _ in 0..<3 { #expect(try await inPlace(cluster, .allPartitions) == ["local 0 t"]) }
        cluster.scripts[0].state.withLock { $0.offset = 9 }
        cluster.route([set(0)], local: set())
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        cluster.route([set(0)], local: set(0))
        #expect(try await inPlace(cluster, .allPartitions) == nil)
        local.state.withLock { $0.offset = 9 }
        #expect(try await inPlace(cluster, .allPartitions) == ["local 0 t"])
        try await cluster.stop()
    }

    @Test func whatWasShownHereIsNeededOfOthers() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 1, local: local)
        cluster.route([set(0)], local: set(0))
        for offset in [3, 3, 3, 7] as [Int64] {
            local.state.withLock { $0.offset = offset }
            #expect(try await inPlace(cluster, .allPartitions) == ["local 0 t"])
        }
        cluster.scripts[0].state.withLock { $0.offset = 7 }
        cluster.route([set(0)], local: set())
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        let needs = cluster.scripts[0].state.withLock { $0.needs.last }
        #expect(needs?.offsets == [Offset(7)])
        try await cluster.stop()
    }
}
