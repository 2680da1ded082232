// The live checker finds nothing wrong with the reference, and finds each kind of wrong in an answer that was spoilt.

import Model
import TestSupport
import Testing

@Suite struct LiveCheckerTests {
    static let now = referenceMilliseconds("2025-08-16T15:00:00Z")

    /// 40 teams, 300 events in 5 stages.
    func offer() -> Reference {
        let teams = (0..<40).map { "t\($0)" }
        return load(
            teams.prefix(35).map {
                (.participant, $0, "{\"id\":\"\($0)\",\"sport\":\"soccer\",\"name\":\"Team \($0)\"}")
            }
                + (0..<300).map { event("e\($0)", [teams[$0 % 40], teams[($0 * 7 + 1) % 40]], stage: "s\($0 % 5)") })
    }

    func checker(_ reference: Reference, seed: UInt64) -> LiveChecker {
        LiveChecker(reference: reference, sport: "soccer", now: Self.now, freshness: 100, hotMax: 200, seed: seed)
    }

    @Test func theReferenceIsNeverWrong() throws {
        let reference = offer()
        let checker = checker(reference, seed: 1)
        for time in 0..<2000 {
            _ = checker.nextUpdate(at: Int64(time))
            guard time % 4 == 0 else { continue }
            let request = checker.nextRequest()
            let body = try #require(reference.answer(target: request.target, now: Self.now).body)
            #expect(checker.wrongs(request, body: body, sentAt: Int64(time)) == [])
        }
        #expect(checker.comparedWhole > 50)
    }

    /// Spoils a good answer of a settled offer.
    func wrongs(_ spoil: (String, Reference, LiveChecker, LiveChecker.Request) -> String) throws -> [String] {
        let reference = offer()
        let checker = checker(reference, seed: 2)
        for time in 0..<50 { _ = checker.nextUpdate(at: Int64(time)) }
        var request = checker.nextRequest()
        var good = text(reference, request.target)
        // Seed 2 soon makes a request whose first event was updated.
        while !good.contains("\"minute\":") || good.components(of: "\"scheduledStart\"").count < 4 {
            request = checker.nextRequest()
            good = text(reference, request.target)
        }
        let spoilt = spoil(good, reference, checker, request)
        #expect(spoilt != good)
        return checker.wrongs(request, body: Array(spoilt.utf8), sentAt: 1_000_000)
    }

    @Test func findsWhatWasNeverPublished() throws {
        let wrongs = try wrongs { good, _, _, _ in good.replacing("\"minute\":", with: "\"minute\":77") }
        #expect(wrongs.contains { $0.hasSuffix("which was never published") })
        let status = try self.wrongs { good, _, _, _ in good.replacing("\"NOT_STARTED\"", with: "\"ABANDONED\"") }
        #expect(status.contains { $0.contains("was published") })
        let name = try self.wrongs { good, _, _, _ in good.replacing("Team t", with: "Squad t") }
        #expect(name.contains { $0.contains("shows a name") })
    }

    @Test func findsOlderVersions() throws {
        let wrongs = try wrongs { good, reference, checker, request in
            for time in 50..<3000 { _ = checker.nextUpdate(at: Int64(time)) }
            let newer = reference.answer(target: request.target, now: Self.now).body ?? []
            #expect(checker.wrongs(request, body: newer, sentAt: 1_000_000) == [])
            return good + " "
        }
        #expect(wrongs.contains { $0.contains("after") })
    }

    @Test func findsWrongPlacesAndSets() throws {
        let missing = try wrongs { _, _, _, _ in #"{"sport":"soccer","total":0,"offset":0,"limit":350,"stages":[]}"# }
        #expect(missing.contains { $0.hasSuffix("is missing") })
        let total = try wrongs { good, _, _, _ in good.replacing("\"total\":", with: "\"total\":1") }
        #expect(total.contains { $0.hasPrefix("total") })
        let twice = try wrongs { good, _, _, _ in
            let stages = good.components(of: "\"stages\":[")[1].dropLast(2)
            return good.replacing("\"stages\":[", with: "\"stages\":[\(stages),")
        }
        #expect(twice.contains { $0.hasPrefix("stage") } && twice.contains { $0.hasSuffix("stands twice") })
        let name = try wrongs { good, _, _, _ in good.replacing(" - ", with: " + ") }
        #expect(name.contains { $0.contains("does not fit") })
        #expect(try wrongs { _, _, _, _ in "[]" } == ["no JSON answer"])
    }

    /// Two requests that were on their way together may be answered in either order; one router's answers say nothing
    /// about another's.
    @Test func onlyWhatWasReceivedBeforeBinds() throws {
        let reference = offer()
        let checker = checker(reference, seed: 3)
        let request = checker.nextRequest()
        let old = try #require(reference.answer(target: request.target, now: Self.now).body)
        for time in 0..<3000 { _ = checker.nextUpdate(at: Int64(time)) }
        let new = try #require(reference.answer(target: request.target, now: Self.now).body)
        try #require(old != new)
        func wrongs(_ body: [UInt8], sent: Int64, received: Int64, router: Int = 0) -> [String] {
            var answer = LiveChecker.Answer(body: body, sentAt: sent, receivedAt: received)
            answer.router = router
            answer.freshness = 1_000_000
            return checker.wrongs(request, answer)
        }
        #expect(wrongs(new, sent: 4000, received: 4010) == [])
        #expect(wrongs(old, sent: 4009, received: 4020) == [])
        #expect(wrongs(old, sent: 4010, received: 4020, router: 1) == [])
        #expect(wrongs(old, sent: 4010, received: 4030).contains { $0.contains("after") })
    }

    /// An event that changed must be where it belongs once its change is delivered and the freshness has passed.
    @Test func whatIsOnItsWayNeedNotBeVisible() throws {
        let reference = offer()
        let checker = checker(reference, seed: 4)
        let old = (0..<200).map { _ in checker.nextRequest() }.map { ($0, text(reference, $0.target)) }
        for _ in 0..<20_000 { _ = checker.nextUpdate() }
        func inclusionWrongs(at time: Int64) -> Int {
            old.reduce(0) { count, old in
                var answer = LiveChecker.Answer(body: Array(old.1.utf8), sentAt: time, receivedAt: time)
                answer.router = 1
                return count + checker.wrongs(old.0, answer).filter { $0.hasSuffix("among its team's") }.count
            }
        }
        #expect(inclusionWrongs(at: 1_000_000) == 0)
        checker.delivered(at: 1_000_000)
        #expect(inclusionWrongs(at: 1_000_090) == 0)
        #expect(inclusionWrongs(at: 1_000_200) > 0)
    }
}

@Suite struct UpdateFlowTests {
    private static let second: Int64 = 1_000_000_000

    /// A broker that takes everything at once, and nothing from second 2 to second 4.
    @Test func itPublishesAtItsRateWhileTheBrokerTakesIt() {
        let checker = LiveCheckerTests().checker(LiveCheckerTests().offer(), seed: 5)
        var flow = UpdateFlow(rate: 500)
        var sent = 0
        var counts: [Int] = []
        for now in stride(from: Int64(0), through: 6 * Self.second, by: 1_000_000) {
            let isAway = (2 * Self.second..<4 * Self.second).contains(now)
            flow.turn(checker, now: now, done: isAway ? 0 : sent) { _ in sent += 1 }
            if now % Self.second == 0 { counts.append(sent) }
        }
        #expect(abs(counts[1] - 500) <= 20 && abs(counts[2] - 1000) <= 20)
        // One batch was on its way.
        #expect(counts[4] - counts[2] <= 50 + 10 && flow.slowestNs >= 2 * Self.second)
        // A tenth of a second is made up for, the rest is not.
        #expect(abs(counts[6] - counts[4] - 1000) <= 70)
        flow.turn(checker, now: 7 * Self.second, done: sent, ends: true) { _ in sent += 1 }
        #expect(flow.isDone && flow.sent == sent)
    }
}
