// Asks that are late or silent. The delay is the default one of 20 ms, since no reply was seen yet.

import Model
import Testing

@testable import FanOut

@Suite struct HedgeTests {
    @Test func aLateAskIsHedgedAndTheFirstReplyCounts() {
        let scene = Scene()
        let id = scene.begin(set(2))
        #expect(scene.taken() == [ask(id, 0, node: 1, set(2))])
        #expect(scene.tick(19 * ms) == [])
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(1)), ask(id, 1, node: 0, set(2), remaining: 980)])
        #expect(scene.machine.counters.hedges == 1)
        // The hedge is not hedged before it is late itself.
        #expect(scene.tick(39 * ms) == [])
        // The late reply is the first one, so it counts, and the other is thrown away.
        #expect(scene.replied(AskID(id, ask: 0)) == (true, [.complete(id)]))
        #expect(scene.replied(AskID(id, ask: 1)) == (false, []))
        #expect(scene.machine.counters.hedgesWon == 0)
        #expect(scene.machine.counters.asksRepeated == 0)
        #expect(scene.machine.nodes.map(\.inFlight) == [0, 0, 0])
        #expect(scene.machine.inFlight == 0)
    }

    @Test func aHedgeThatIsFirstCounts() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.tick(20 * ms)
        #expect(scene.replied(AskID(id, ask: 1)) == (true, [.complete(id)]))
        #expect(scene.replied(AskID(id, ask: 0)) == (false, []))
        #expect(scene.machine.counters.hedgesWon == 1)
    }

    @Test func aHedgeCoversAllThatIsLateOrIsNone() {
        let scene = Scene()
        let id = scene.begin(set(0, 1, 2, 3))
        // a: 0 and 1; b: 2 and 3. For each there are others: c for 0 and b for 1, c for 3 and a for 2.
        let asks = [
            ask(id, 2, node: 2, set(0), remaining: 980), ask(id, 3, node: 1, set(1), remaining: 980),
        ]
        _ = scene.taken()
        #expect(scene.replied(AskID(id, ask: 1)) == (true, []))
        scene.machine.linkDown(NodeIndex(2), nowNs: 0, actions: &scene.actions)
        // Nobody else has 0.
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(0))])
        scene.machine.linkUp(NodeIndex(2), nowNs: 20 * ms)
        let hedge = scene.tick(20 * ms)
        #expect(hedge.count == 2 && asks.allSatisfy(hedge.contains))
        #expect(scene.machine.counters.hedges == 2)
        // A hedge for a part alone answers nothing of the first ask's rest, which is asked anew if need be.
        #expect(scene.replied(AskID(id, ask: 2)) == (true, []))
        #expect(scene.replied(AskID(id, ask: 0)) == (false, []))
        #expect(scene.replied(AskID(id, ask: 3)) == (true, [.complete(id)]))
    }

    @Test func hedgesStayWithinTheBudget() {
        var rules = FanOutRules()
        rules.hedgesMax = 2
        let scene = Scene(rules: rules)
        let ids = (0..<5).map { _ in scene.begin(set(2)) }
        _ = scene.taken()
        let hedged = scene.tick(20 * ms).count { if case .ask = $0 { true } else { false } }
        #expect(hedged == 2)
        #expect(scene.machine.counters.hedgesWithheld == 3)
        // Ten requests earn one more.
        let more = (0..<10).map { _ in scene.begin(set(0)) }
        _ = scene.taken()
        #expect(scene.tick(21 * ms).count { if case .ask = $0 { true } else { false } } == 1)
        #expect(scene.machine.counters.hedges == 3)
        #expect(Set(ids + more).count == 15)
    }

    /// What is asked of a node that stopped is retried soon, budget or not, and nothing more is asked of it.
    @Test func aSilentNodeIsLeftAtOnceAndRetriedWithoutBudget() {
        var rules = FanOutRules()
        rules.hedgesMax = 0
        rules.hedgePercent = 0
        let scene = Scene(rules: rules)
        let id = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(1))])
        // Doubted: others are preferred at once.
        for _ in 0..<4 {
            let next = scene.begin(set(2))
            #expect(scene.taken() == [ask(next, 0, node: 0, set(2))])
        }
        #expect(scene.tick(99 * ms).allSatisfy { $0 != ask(id, 1, node: 0, set(2), remaining: 901) })
        // Four times the delay after the probe: silent.
        #expect(scene.tick(100 * ms).contains(ask(id, 1, node: 0, set(2), remaining: 900)))
        #expect(scene.machine.nodes[1].isLeft)
        scene.machine.probeAnswered(NodeIndex(1), nowNs: 110 * ms)
        #expect(!scene.machine.nodes[1].isLeft)
    }

    @Test func doubtEndsWithASignOfLife() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.tick(20 * ms)
        #expect(scene.machine.standing(1) == .second)
        scene.machine.probeAnswered(NodeIndex(1), nowNs: 21 * ms)
        #expect(scene.machine.standing(1) == .good)
        // It lives and does not answer this: asked elsewhere at the time limit, for want of a budget before.
        #expect(scene.replied(AskID(id, ask: 0)) == (true, [.complete(id)]))
    }

    @Test func anyNodeIsHedgedToo() {
        let scene = Scene()
        let id = scene.begin(nil)
        #expect(scene.taken() == [ask(id, 0, node: 1, set())])
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(1)), ask(id, 1, node: 2, set(), remaining: 980)])
    }

    @Test func theLocalNodeIsNeitherHedgedNorAHedge() {
        let scene = Scene(localNode: 0)
        let id = scene.begin(set(0, 1, 2, 3))
        #expect(scene.taken() == [ask(id, 1, node: 1, set(3))])
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(1)), ask(id, 2, node: 2, set(3), remaining: 980)])
        let other = scene.begin(set(1))
        #expect(scene.taken() == [ask(other, 0, node: 0, set(1))])
        // A node that answers in place is not waited for.
        #expect(scene.tick(40 * ms) == [.probe(NodeIndex(2))])
    }

    /// The delay is that of requests of the same size.
    @Test func theDelayFollowsTheReplies() {
        let scene = Scene()
        for _ in 0..<64 {
            let id = scene.begin(set(2))
            let isPart = scene.machine.replied(AskID(id, ask: 0), nowNs: 2 * ms, actions: &scene.actions)
            #expect(isPart)
            scene.machine.release(id)
        }
        _ = scene.taken()
        let delay = scene.machine.times.delay(size: 0)
        #expect(delay >= 2 * ms && delay < 2_300_000)
        #expect(scene.machine.tickNs == delay)
        let small = scene.begin(set(2))
        let large = scene.machine.begin(set(2), ids: 100, nowNs: 0, actions: &scene.actions)
        #expect(large != nil)
        _ = scene.taken()
        let late = scene.tick(3 * ms)
        #expect(late.count { if case .ask = $0 { true } else { false } } == 1)
        #expect(scene.machine.find(AskID(small, ask: 1)) != nil)
    }
}

@Suite struct ReplyTimesTests {
    @Test func sizes() {
        let sizes = [0, 1, 2, 4, 5, 16, 17, 64, 65, 256, 257, 1024, 1025, 2500].map { ReplyTimes.size(ids: $0) }
        #expect(sizes == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
    }

    /// The delay is above 95 of 100 replies, and below the next ones by an eighth of an octave at most.
    @Test(arguments: [20_000, 150_000, 1_700_000, 40_000_000] as [UInt64])
    func theDelayIsTheLiveP95(_ ns: UInt64) {
        var times = ReplyTimes(minNs: 1, maxNs: 1_000_000_000, defaultNs: 5)
        for index in 0..<640 as Range<UInt64> { times.observe(size: 2, ns: index % 100 < 94 ? ns / 4 : ns) }
        #expect(times.delay(size: 2) > ns && Double(times.delay(size: 2)) < max(Double(ns) * 1.13, Double(ns) + 16_384))
        #expect(times.delay(size: 1) == 5)
        // What was is forgotten.
        for _ in 0..<40_000 { times.observe(size: 2, ns: ns / 4) }
        #expect(times.delay(size: 2) < ns)
    }

    @Test func theDelayHasBounds() {
        var times = ReplyTimes(minNs: 1_000_000, maxNs: 100_000_000, defaultNs: 20_000_000)
        #expect(times.delay(size: 0) == 20_000_000)
        for _ in 0..<64 { times.observe(size: 0, ns: 0) }
        #expect(times.delay(size: 0) == 1_000_000)
        for _ in 0..<64 { times.observe(size: 1, ns: .max) }
        #expect(times.delay(size: 1) == 100_000_000)
        #expect(times.shortestNs == 1_000_000)
    }

    @Test func theBudget() {
        var budget = HedgeBudget(percent: 10, countMax: 3)
        #expect(budget.count == 3)
        budget.spend(3)
        for _ in 0..<19 { budget.earn() }
        #expect(budget.count == 1)
        for _ in 0..<1000 { budget.earn() }
        #expect(budget.count == 3)
    }
}
