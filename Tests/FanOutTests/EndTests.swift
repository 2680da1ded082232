// How requests end that are not answered in full, and the reasons that are given.

import Model
import Testing

@testable import FanOut

@Suite struct EndTests {
    private func partial() -> Scene {
        var rules = FanOutRules()
        rules.givesPartial = true
        return Scene(rules: rules)
    }

    @Test func everyReasonIsSaid() {
        let refusals: [(AskRefusal, NoHolderReason)] = [
            (.notHeld(set(2)), .notHeld), (.notReady, .notReady), (.expired, .expired), (.linkFull, .linkFull),
            (.behind, .behind),
        ]
        for (refusal, reason) in refusals {
            let scene = Scene()
            let id = scene.begin(set(2))
            _ = scene.taken()
            var ask = 0
            while scene.machine.find(AskID(id, ask: ask)) != nil, scene.actions.isEmpty {
                scene.machine.refused(AskID(id, ask: ask), refusal, nowNs: 0, actions: &scene.actions)
                if scene.actions.last == .fail(id, .noHolder(set(2))) { break }
                scene.actions.removeAll()
                ask += 1
            }
            #expect(scene.machine.reasons(of: id) == NoHolderReasons(reason), "\(refusal)")
            #expect(scene.machine.counters.noHolder[Int(reason.rawValue)] == 1)
        }
    }

    @Test func noneIsPlacedOrTheirLinksAreDown() {
        let scene = Scene()
        let unknown = scene.begin(set(7))
        #expect(scene.machine.reasons(of: unknown) == NoHolderReasons(.nonePlaced))
        for node in 0..<3 { scene.machine.linkDown(NodeIndex(node), nowNs: 0, actions: &scene.actions) }
        let down = scene.begin(set(2))
        _ = scene.refused(AskID(down, ask: 0), .linkFull)
        #expect(scene.refused(AskID(down, ask: 1), .linkFull) == [.fail(down, .noHolder(set(2)))])
        #expect(scene.machine.reasons(of: down) == NoHolderReasons(.linkDown, .linkFull))
    }

    @Test func silenceIsTheReasonOfADeadline() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.tick(20 * ms)
        #expect(scene.tick(1000 * ms) == [.fail(id, .deadline)])
        #expect(scene.machine.reasons(of: id) == NoHolderReasons(.silent))
        #expect(scene.machine.counters.noHolder[Int(NoHolderReason.silent.rawValue)] == 1)
        scene.machine.release(id)
        #expect(scene.machine.reasons(of: id) == NoHolderReasons())
    }

    @Test func whatIsShedIsAskedOfOneOther() {
        let scene = Scene()
        let id = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .overloaded).count == 2)
        // Another share of the same request: that is not the second time.
        #expect(scene.refused(AskID(id, ask: 1), .overloaded).count == 2)
        #expect(scene.refused(AskID(id, ask: 2), .overloaded) == [.fail(id, .overloaded)])
        #expect(scene.machine.reasons(of: id) == NoHolderReasons(.overloaded))
    }

    @Test func staleEverywhereSaysHowFreshItCouldBe() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .stale(freshnessMs: 900)) == [ask(id, 1, node: 0, set(2))])
        #expect(
            scene.refused(AskID(id, ask: 1), .stale(freshnessMs: 400)) == [.fail(id, .stale(freshnessMs: 400))])
        let other = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        // For each partition the best, of these the worst.
        for ask in 0..<8 where scene.machine.find(AskID(other, ask: ask)) != nil {
            _ = scene.refused(AskID(other, ask: ask), .stale(freshnessMs: 1000 - 100 * UInt32(ask)))
        }
        #expect(scene.machine.reasons(of: other) == NoHolderReasons(.stale))
    }

    // MARK: - Partial answers

    @Test func withoutAHolderOnePartIsMissing() {
        let scene = partial()
        let id = scene.begin(set(1, 7))
        #expect(scene.taken() == [ask(id, 0, node: 1, set(1))])
        #expect(scene.machine.missing(of: id) == set(7))
        #expect(scene.replied(AskID(id, ask: 0)) == (true, [.complete(id)]))
        #expect(scene.machine.missing(of: id) == set(7))
        #expect(scene.machine.reasons(of: id) == NoHolderReasons(.nonePlaced))
        #expect(scene.machine.counters.partialAnswers == 1)
        scene.machine.release(id)
        #expect(scene.machine.missing(of: id) == set())
    }

    @Test func nothingAtAllIsNoPartialAnswer() {
        let scene = partial()
        let id = scene.begin(set(7))
        #expect(scene.taken() == [.fail(id, .noHolder(set(7)))])
        let two = scene.begin(set(1, 7))
        _ = scene.taken()
        _ = scene.refused(AskID(two, ask: 0), .notReady)
        #expect(scene.refused(AskID(two, ask: 1), .notReady) == [.fail(two, .noHolder(set(1, 7)))])
        let any = scene.begin(nil)
        for ask in 0..<2 { _ = scene.refused(AskID(any, ask: ask), .notReady) }
        #expect(scene.refused(AskID(any, ask: 2), .notReady) == [.fail(any, .noHolder(set()))])
    }

    @Test func atTheDeadlineWhatIsThereIsShown() {
        let scene = partial()
        let id = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        #expect(scene.replied(AskID(id, ask: 0)) == (true, []))
        #expect(scene.tick(1000 * ms) == [.complete(id)])
        #expect(scene.machine.missing(of: id) == set(2, 3))
        #expect(scene.machine.reasons(of: id) == NoHolderReasons(.silent))
        #expect(scene.replied(AskID(id, ask: 1)) == (false, []))
        #expect(scene.machine.inFlight == 0)
        let nothing = scene.begin(set(2))
        _ = scene.taken()
        scene.machine.tick(nowNs: 2000 * ms, actions: &scene.actions)
        #expect(scene.taken() == [.fail(nothing, .deadline)])
    }

    @Test func theLocalShareIsShownAtTheDeadline() {
        var rules = FanOutRules()
        rules.givesPartial = true
        let scene = Scene(localNode: 0, rules: rules)
        let id = scene.begin(set(0, 3))
        #expect(scene.taken() == [ask(id, 1, node: 1, set(3))])
        #expect(scene.tick(1000 * ms) == [ask(id, 0, node: 0, set(0), remaining: 0)])
        #expect(scene.replied(AskID(id, ask: 0)) == (true, [.complete(id)]))
        #expect(scene.machine.missing(of: id) == set(3))
    }

    @Test func aBoundThatIsNotMetIsNoPartialAnswer() {
        let scene = partial()
        let id = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        #expect(scene.replied(AskID(id, ask: 1)).0)
        for ask in 0..<6 where scene.machine.find(AskID(id, ask: ask)) != nil && ask != 1 {
            _ = scene.refused(AskID(id, ask: ask), .stale(freshnessMs: 700))
        }
        #expect(scene.machine.missing(of: id) == set())
        #expect(scene.machine.reasons(of: id) == NoHolderReasons(.stale))
    }

    /// What is missing is known before the others were behind everywhere.
    @Test func behindAndMissingTogether() {
        let scene = partial()
        let id = scene.begin(set(2, 7))
        #expect(scene.taken() == [ask(id, 0, node: 1, set(2))])
        _ = scene.refused(AskID(id, ask: 0), .behind)
        #expect(scene.refused(AskID(id, ask: 1), .behind) == [ask(id, 2, node: 1, set(2), dropsNeeds: true)])
        #expect(scene.replied(AskID(id, ask: 2)) == (true, [.complete(id)]))
        #expect(scene.machine.missing(of: id) == set(7))
    }
}
