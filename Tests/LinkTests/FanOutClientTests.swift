import FanOut
import Model
import NIOCore
import NIOPosix
import Query
import Synchronization
import Testing

@testable import Link

@Suite struct FanOutClientTests {
    @Test func partsOfSeveralNodesMakeOneAnswer() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([set(0, 1), set(2)])
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t", "n0 1 t", "n1 2 t"]))
        #expect(await cluster.ask(.partitions(set(2))) == .success(["n1 2 t"]))
        #expect(await cluster.ask(.anyNode) == .success([]))
        try await cluster.stop()
    }

    @Test func manyRequestsInFlight() async throws {
        let cluster = try await Cluster(nodes: 3)
        cluster.route([set(0, 1), set(1, 2), set(2, 0)])
        await withTaskGroup(of: Bool.self) { group in
            for token in 0..<2000 as Range<UInt64> {
                group.addTask {
                    let answer = await cluster.ask(.allPartitions, team: "t\(token)", token: token)
                    guard case .success(let texts) = answer else { return false }
                    return texts.count == 3 && texts.allSatisfy { $0.hasSuffix(" t\(token)") }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
        try await cluster.stop()
    }

    @Test func refusedPartitionsAreAskedElsewhere() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .notHeld(set(0)) }
        cluster.route([set(0), set(0)])
        while cluster.scripts[0].askedCount == 0 {
            #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"]))
        }
        cluster.scripts[1].state.withLock { $0.alwaysRefuses = .notReady }
        #expect(await cluster.ask(.allPartitions) == .failure(.noHolder(set(0))))
        cluster.scripts[1].state.withLock { $0.alwaysRefuses = .answerTooLarge }
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .answerTooLarge }
        #expect(await cluster.ask(.allPartitions) == .failure(.answerTooLarge))
        try await cluster.stop()
    }

    @Test func whoIsBehindCatchesUpWhileTheQueryWaits() async throws {
        let cluster = try await Cluster(nodes: 1)
        cluster.route([set(0)])
        cluster.scripts[0].state.withLock { $0.refusals = [.behind, .behind, .behind] }
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        #expect(cluster.scripts[0].askedCount == 4)
        #expect(cluster.servers[0].counters.parked.load(ordering: .relaxed) == 1)
        #expect(try await cluster.clients.counters().get().map(\.monotonicViolations) == [0])
        try await cluster.stop()
    }

    @Test func answersAreMonotonicWhereAnyHolderCan() async throws {
        let cluster = try await Cluster(nodes: 2) { $0.parkMax = .milliseconds(2) }
        cluster.scripts[0].state.withLock { $0.offset = 7 }
        cluster.scripts[1].state.withLock { $0.offset = 5 }
        cluster.route([set(0), PartitionSet()])
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        cluster.route([set(0), set(0)])
        while cluster.scripts[1].askedCount == 0 {
            #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t"]))
        }
        let needs = cluster.scripts[1].state.withLock { $0.needs.first }
        #expect(needs?.offsets == [Offset(7)])
        #expect(needs?.globals?.offsets.first == Offset(7))
        #expect(try await cluster.clients.counters().get().map(\.monotonicViolations) == [0])
        // Nobody is left who reaches it: the answer is given, and counted.
        cluster.route([PartitionSet(), set(0)])
        #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"]))
        #expect(try await cluster.clients.counters().get().map(\.monotonicViolations) == [1])
        try await cluster.stop()
    }

    @Test func aNodeThatDiesMidFlightIsReplaced() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.route([set(0), set(0)])
        // Both park what they are asked, until one of them is stopped and the other one answers.
        for script in cluster.scripts { script.state.withLock { $0.alwaysRefuses = .behind } }
        async let answer = cluster.ask(.allPartitions)
        while cluster.scripts.allSatisfy({ $0.askedCount == 0 }) { await Task.yield() }
        let first = cluster.scripts[0].askedCount > 0 ? 0 : 1
        cluster.scripts[1 - first].state.withLock { $0.alwaysRefuses = nil }
        await cluster.servers[first].stop()
        #expect(await answer == .success(["n\(1 - first) 0 t"]))
        // It is left at once by whatever comes next.
        for _ in 0..<4 { #expect(await cluster.ask(.allPartitions) == .success(["n\(1 - first) 0 t"])) }
        try await cluster.stop()
    }

    @Test func aSilentNodeIsLeft() async throws {
        var rules = Cluster.patientRules
        rules.askTimeoutNs = 20_000_000
        let cluster = try await Cluster(nodes: 2, rules: rules)
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .behind }
        cluster.route([set(0), set(0)])
        while try await cluster.clients.counters().get()[0].askTimeouts == 0 {
            #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"]))
        }
        try await cluster.stop()
    }

    @Test func aLateNodeIsHedged() async throws {
        var rules = Cluster.patientRules
        rules.hedgeDefaultNs = 1_000_000
        let cluster = try await Cluster(nodes: 2, rules: rules)
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .behind }
        cluster.route([set(0), set(0)])
        while cluster.scripts[0].askedCount == 0 {
            #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"]))
        }
        // At least: on a busy machine the other one may be late, too.
        #expect(try await cluster.clients.counters().get()[0].hedges >= 1)
        try await cluster.stop()
    }

    @Test func aPackedFragmentThatNobodyAskedForClosesTheLink() async throws {
        let cluster = try await Cluster(nodes: 2)
        cluster.scripts[0].state.withLock { $0.packs = true }
        cluster.route([set(0), set(0)])
        // On a busy machine the other one may have answered before the bad part is read.
        let malformed = { cluster.clients.linkCounters.malformed.load(ordering: .relaxed) }
        var asks = 0
        while malformed() == 0, asks < 10_000 {
            #expect(await cluster.ask(.allPartitions) == .success(["n1 0 t"]))
            asks += 1
        }
        #expect(malformed() >= 1)
        try await cluster.stop()
    }

    @Test func whatHasNoHolderIsLeftOutWhereThatIsAllowed() async throws {
        var rules = Cluster.patientRules
        rules.givesPartial = true
        let cluster = try await Cluster(nodes: 1, rules: rules)
        cluster.route([set(0)])
        #expect(await cluster.ask(.partitions(set(0, 5))) == .success(["n0 0 t"]))
        #expect(await cluster.ask(.partitions(set(5))) == .failure(.noHolder(set(5))))
        let counters = try await cluster.clients.counters().get()
        #expect(counters.map(\.partialAnswers) == [1])
        #expect(counters.map { $0.noHolder[Int(NoHolderReason.nonePlaced.rawValue)] } == [2])
        try await cluster.stop()
    }

    /// A global topic made anew: the node's position falls, and is needed no further.
    @Test func aPositionThatFellIsNeededNoMore() async throws {
        let cluster = try await Cluster(nodes: 1) { $0.parkMax = .milliseconds(1) }
        cluster.scripts[0].state.withLock { $0.offset = 9 }
        cluster.route([set(0)])
        #expect(await cluster.ask(.anyNode) == .success([]))
        cluster.scripts[0].state.withLock {
            $0.offset = 4
            $0.needs = []
        }
        for _ in 0..<3 { #expect(await cluster.ask(.anyNode) == .success([])) }
        // Shown once more than had been needed; then no more than there is.
        let needed = cluster.scripts[0].state.withLock { $0.needs.map { $0.globals?.offsets.first } }
        #expect(needed == [Offset(9), Offset(4), Offset(4)])
        try await cluster.stop()
    }

    @Test func theDeadlineIsHonoured() async throws {
        var rules = FanOutRules()
        rules.askTimeoutNs = 30_000_000
        rules.requestTimeoutNs = 30_000_000
        let cluster = try await Cluster(nodes: 1, rules: rules)
        cluster.scripts[0].state.withLock { $0.alwaysRefuses = .behind }
        cluster.route([set(0)])
        let start = NIODeadline.now()
        #expect(await cluster.ask(.allPartitions) == .failure(.deadline))
        // A node sees the time end up to a millisecond early, since it travels in whole ones.
        #expect(NIODeadline.now() - start >= .milliseconds(28))
        try await cluster.stop()
    }

    @Test func nobodyThereFailsAtOnce() async throws {
        let cluster = try await Cluster(nodes: 1)
        #expect(await cluster.ask(.allPartitions) == .failure(.noHolder(set())))
        await cluster.servers[0].stop()
        cluster.route([set(0)])
        #expect(await cluster.ask(.allPartitions) == .failure(.noHolder(set(0))))
        try await cluster.stop()
    }

    @Test func largeAnswersPassTheBackPressure() async throws {
        let cluster = try await Cluster(nodes: 1)
        cluster.scripts[0].state.withLock { $0.jsonBytes = 300_000 }
        cluster.route([set(0)])
        await withTaskGroup(of: Int.self) { group in
            for token in 0..<60 as Range<UInt64> {
                group.addTask {
                    guard case .success(let texts) = await cluster.ask(.allPartitions, token: token) else { return 0 }
                    return texts[0].utf8.count
                }
            }
            for await bytes in group { #expect(bytes == 300_006) }
        }
        try await cluster.stop()
    }

    @Test func whatIsHeldHereIsReadInPlace() async throws {
        let local = Script()
        let cluster = try await Cluster(nodes: 1, local: local)
        cluster.route([set(0, 1)], local: set(1))
        #expect(await cluster.ask(.partitions(set(1))) == .success(["local 1 t"]))
        #expect(await cluster.ask(.anyNode) == .success([]))
        #expect(cluster.scripts[0].askedCount == 0)
        #expect(await cluster.ask(.allPartitions) == .success(["local 1 t", "n0 0 t"]))
        local.state.withLock { $0.alwaysRefuses = .notHeld(set(1)) }
        #expect(await cluster.ask(.allPartitions) == .success(["n0 0 t", "n0 1 t"]))
        try await cluster.stop()
    }

    /// A receiver that asks again from within its answer, as a pipelining connection does.
    @Test func askingFromWithinAnAnswer() async throws {
        final class Chain: AnswerReceiver {
            let client: FanOutClient
            let done: EventLoopPromise<Int>
            var answers = 0
            var depth = 0

            init(_ client: FanOutClient, _ done: EventLoopPromise<Int>) {
                self.client = client
                self.done = done
            }

            func answered(_ gathered: borrowing GatheredParts, token: UInt64) {
                depth += 1
                answers = depth > 1 ? -1000 : answers + 1
                if answers == 100 {
                    done.succeed(answers)
                } else {
                    client.ask(holderQuery(), need: .allPartitions, receiver: self, token: token + 1)
                }
                depth -= 1
            }

            func failed(_ failure: FanOutFailure, token: UInt64) { done.fail(failure) }
        }
        let cluster = try await Cluster(nodes: 0, local: Script())
        cluster.route([], local: set(0))
        let done = cluster.loop.makePromise(of: Int.self)
        cluster.loop.execute {
            let client = cluster.clients.client(on: cluster.loop)
            client.ask(holderQuery(), need: .allPartitions, receiver: Chain(client, done), token: 0)
        }
        #expect(try await done.futureResult.get() == 100)
        try await cluster.stop()
    }
}
