import Model
import Testing

@testable import FanOut

func set(_ partitions: Int...) -> PartitionSet {
    var set = PartitionSet()
    for partition in partitions { set.insert(PartitionID(partition)) }
    return set
}

/// An id that the test itself wrote, so it is one.
func makeID(_ text: String) -> ID {
    guard let id = ID(text) else { preconditionFailure("\(text) is no id") }
    return id
}

let ms: UInt64 = 1_000_000

/// A machine over three nodes and four partitions, each held by two nodes:
/// a holds 0 1 2, b holds 1 2 3, c holds 3 0. The cover asks a for 0 1 and b for 2 3.
final class Scene {
    var machine: FanOut
    var actions: [FanOutAction] = []

    init(localNode: Int? = nil, rules: FanOutRules = FanOutRules(), covers: [[NodeIndex?]]? = nil) {
        machine = FanOut(rules: rules)
        machine.update(Scene.snapshot(localNode: localNode, covers: covers), nowNs: 0, actions: &actions)
        for node in 0..<3 where node != localNode { machine.linkUp(NodeIndex(node), nowNs: 0) }
    }

    static func snapshot(localNode: Int? = nil, covers: [[NodeIndex?]]? = nil) -> RoutingSnapshot {
        let holds = [set(0, 1, 2), set(1, 2, 3), set(3, 0)]
        let nodes = ["a", "b", "c"].enumerated().map { index, name in
            RoutingNode(id: makeID(name), host: "h", port: index, isLocal: index == localNode, holds: holds[index])
        }
        let cover: [NodeIndex?] = [NodeIndex(0), NodeIndex(0), NodeIndex(1), NodeIndex(1)]
        return RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: covers ?? [cover])
    }

    func begin(_ partitions: PartitionSet?) -> RequestID {
        guard let id = machine.begin(partitions, nowNs: 0, actions: &actions) else { preconditionFailure("too many") }
        return id
    }

    /// The actions since the last call.
    func taken() -> [FanOutAction] {
        defer { actions.removeAll() }
        return actions
    }

    func refused(_ ask: AskID, _ refusal: AskRefusal) -> [FanOutAction] {
        machine.refused(ask, refusal, nowNs: 0, actions: &actions)
        return taken()
    }

    func replied(_ ask: AskID) -> (Bool, [FanOutAction]) {
        let isWanted = machine.replied(ask, nowNs: 0, actions: &actions)
        return (isWanted, taken())
    }

    func tick(_ nowNs: UInt64) -> [FanOutAction] {
        machine.tick(nowNs: nowNs, actions: &actions)
        return taken()
    }
}

func ask(
    _ request: RequestID, _ ask: Int, node: Int, _ partitions: PartitionSet, remaining: UInt64 = 1000,
    dropsNeeds: Bool = false
) -> FanOutAction {
    .ask(
        AskID(request, ask: ask), node: NodeIndex(node), partitions: partitions, remainingNs: remaining * ms,
        dropsNeeds: dropsNeeds)
}

@Suite struct FanOutTests {
    @Test func aCoverIsAskedAndCompletes() {
        let scene = Scene()
        let id = scene.begin(set(0, 1, 2, 3))
        #expect(scene.taken() == [ask(id, 0, node: 0, set(0, 1)), ask(id, 1, node: 1, set(2, 3))])
        #expect(scene.replied(AskID(id, ask: 1)) == (true, []))
        #expect(scene.replied(AskID(id, ask: 1)) == (false, []))
        #expect(scene.replied(AskID(id, ask: 0)) == (true, [.complete(id)]))
        scene.machine.release(id)
        #expect(scene.machine.requestCount == 0)
        #expect(scene.replied(AskID(id, ask: 0)) == (false, []))
    }

    @Test func onlyNeededPartitionsAreAsked() {
        let scene = Scene()
        let id = scene.begin(set(0))
        #expect(scene.taken() == [ask(id, 0, node: 2, set(0))])
    }

    @Test func fewPartitionsAreAskedOfOneNodeWhereItHasThem() {
        let scene = Scene()
        // The cover would ask two nodes.
        let id = scene.begin(set(1, 2))
        #expect(scene.taken() == [ask(id, 0, node: 1, set(1, 2))])
    }

    @Test func coversAreRotatedOver() {
        let first: [NodeIndex?] = [NodeIndex(0), NodeIndex(0), NodeIndex(1), NodeIndex(1)]
        let second: [NodeIndex?] = [NodeIndex(2), NodeIndex(1), NodeIndex(1), NodeIndex(2)]
        let scene = Scene(covers: [first, second])
        let one = scene.begin(set(0))
        let two = scene.begin(set(0))
        #expect(scene.taken() == [ask(one, 0, node: 2, set(0)), ask(two, 0, node: 0, set(0))])
    }

    @Test func anyNodeWillDoForTeams() {
        let scene = Scene()
        let one = scene.begin(nil)
        let two = scene.begin(nil)
        #expect(scene.taken() == [ask(one, 0, node: 1, set()), ask(two, 0, node: 2, set())])
        // Node a was asked for nothing yet.
        #expect(scene.refused(AskID(one, ask: 0), .notReady) == [ask(one, 1, node: 0, set())])
        #expect(scene.replied(AskID(one, ask: 1)) == (true, [.complete(one)]))
    }

    @Test func whatIsNotHeldIsAskedElsewhereAndTheRestAgain() {
        let scene = Scene()
        let id = scene.begin(set(0, 1))
        _ = scene.taken()
        // Node c alone is left for 0; b and a may both be asked for 1.
        let actions = scene.refused(AskID(id, ask: 0), .notHeld(set(0)))
        #expect(actions == [ask(id, 1, node: 1, set(1)), ask(id, 2, node: 2, set(0))])
        #expect(scene.refused(AskID(id, ask: 1), .notHeld(set(1))) == [ask(id, 3, node: 0, set(1))])
    }

    @Test func aClosedLinkIsLeftAtOnce() {
        let scene = Scene()
        let id = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        scene.machine.linkDown(NodeIndex(1), nowNs: 0, actions: &scene.actions)
        #expect(scene.taken() == [ask(id, 2, node: 2, set(3)), ask(id, 3, node: 0, set(2))])
        let next = scene.begin(set(2))
        #expect(scene.taken() == [ask(next, 0, node: 0, set(2))])
    }

    @Test func whoeverHasNoHolderLeftFails() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .notReady) == [ask(id, 1, node: 0, set(2))])
        #expect(scene.refused(AskID(id, ask: 1), .notHeld(set(2))) == [.fail(id, .noHolder(set(2)))])
        let unknown = scene.begin(set(2, 7))
        #expect(scene.taken().last == .fail(unknown, .noHolder(set(7))))
    }

    @Test func withoutASnapshotNobodyIsAsked() {
        var machine = FanOut()
        var actions: [FanOutAction] = []
        let one = machine.begin(PartitionSet(), nowNs: 0, actions: &actions)!
        let two = machine.begin(nil, nowNs: 0, actions: &actions)!
        #expect(actions == [.fail(one, .noHolder(set())), .fail(two, .noHolder(set()))])
    }

    @Test func aSilentOnlyHolderIsWaitedForUntilTheDeadline() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.refused(AskID(id, ask: 0), .notReady)
        #expect(scene.tick(20 * ms) == [.probe(NodeIndex(0))])
        #expect(scene.tick(200 * ms) == [])
        #expect(scene.tick(999 * ms) == [])
        #expect(scene.tick(1000 * ms) == [.fail(id, .deadline)])
    }

    @Test func ifAllLookBadAllAreTried() {
        let scene = Scene()
        for node in 0..<3 { scene.machine.linkDown(NodeIndex(node), nowNs: 0, actions: &scene.actions) }
        let id = scene.begin(set(2))
        #expect(scene.taken() == [ask(id, 0, node: 1, set(2))])
        #expect(scene.machine.counters.failedOpen == 1)
        scene.machine.linkDown(NodeIndex(1), nowNs: 0, actions: &scene.actions)
        #expect(scene.taken() == [ask(id, 1, node: 0, set(2))])
        scene.machine.linkDown(NodeIndex(0), nowNs: 0, actions: &scene.actions)
        #expect(scene.taken() == [.fail(id, .noHolder(set(2)))])
    }

    @Test func behindEverywhereIsAskedOnceMoreWithoutNeeds() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .behind) == [ask(id, 1, node: 0, set(2))])
        let last = scene.refused(AskID(id, ask: 1), .behind)
        #expect(last == [ask(id, 2, node: 1, set(2), dropsNeeds: true)])
        #expect(scene.machine.counters.monotonicViolations == 0)
        #expect(scene.replied(AskID(id, ask: 2)) == (true, [.complete(id)]))
        #expect(scene.machine.counters.monotonicViolations == 1)
    }

    /// Nobody has what was shown of partition 0. Partition 1 has nothing to do with it.
    @Test func whatIsBehindInOnePartitionKeepsTheNeedsOfOthers() {
        let scene = Scene()
        let id = scene.begin(set(0, 1))
        #expect(scene.taken() == [ask(id, 0, node: 0, set(0, 1))])
        let apart = scene.refused(AskID(id, ask: 0), .behind)
        #expect(Set(apart.map(askedNode)) == [1, 2])
        let ofC = apart.firstIndex { askedNode($0) == 2 } ?? 0
        let again = scene.refused(AskID(id, ask: 1 + ofC), .behind)
        #expect(again.count == 1 && again.allSatisfy { asks($0, for: set(0), dropsNeeds: true) }, "\(again)")
        let other = scene.refused(AskID(id, ask: 2 - ofC), .notReady)
        #expect(other.count == 1 && other.allSatisfy { asks($0, for: set(1), dropsNeeds: false) }, "\(other)")
    }

    /// One holder is behind, the other silent: the one that lives answers, though not at once.
    @Test func whoIsBehindAnswersWhereTheOthersAreSilent() {
        let scene = Scene()
        let id = scene.begin(set(0))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .behind).count == 1)
        for nowMs in [200, 499] as [UInt64] {
            scene.machine.tick(nowNs: nowMs * ms, actions: &scene.actions)
            #expect(!scene.taken().contains { askedNode($0) >= 0 }, "at \(nowMs) ms")
        }
        scene.machine.tick(nowNs: 500 * ms, actions: &scene.actions)
        let again = scene.taken()
        #expect(again.contains { asks($0, for: set(0), dropsNeeds: true) }, "\(again)")
        #expect(scene.replied(AskID(id, ask: 2)).1 == [.complete(id)])
        #expect(scene.machine.counters.monotonicViolations == 1)
    }

    /// A was behind in both, B is silent. What A was asked for without needs says nothing of the other one.
    @Test func whoWasBehindBesidesIsAskedForTheRestAtLast() {
        let scene = Scene()
        let id = scene.begin(set(0, 1))
        _ = scene.taken()
        let apart = scene.refused(AskID(id, ask: 0), .behind)
        let ofC = apart.firstIndex { askedNode($0) == 2 } ?? 0
        // B is silent, and nobody else can be asked.
        scene.machine.tick(nowNs: 200 * ms, actions: &scene.actions)
        #expect(!scene.taken().contains { askedNode($0) >= 0 })
        // C was slow to say it.
        let again = scene.refused(AskID(id, ask: 1 + ofC), .behind)
        #expect(again.count == 1 && again.allSatisfy { asks($0, for: set(0), dropsNeeds: true) }, "\(again)")
        #expect(scene.replied(AskID(id, ask: 3)) == (true, []))
        scene.machine.tick(nowNs: 499 * ms, actions: &scene.actions)
        #expect(!scene.taken().contains { askedNode($0) >= 0 })
        scene.machine.tick(nowNs: 500 * ms, actions: &scene.actions)
        let last = scene.taken()
        #expect(last.contains { askedNode($0) == 0 && asks($0, for: set(1), dropsNeeds: false) }, "\(last)")
        #expect(scene.replied(AskID(id, ask: 4)).1 == [.complete(id)])
    }

    /// Of an ask, whom; else -1.
    private func askedNode(_ action: FanOutAction) -> Int {
        if case .ask(_, let node, _, _, _) = action { node.slot } else { -1 }
    }

    private func asks(_ action: FanOutAction, for partitions: PartitionSet, dropsNeeds: Bool) -> Bool {
        if case .ask(_, _, partitions, _, dropsNeeds) = action { true } else { false }
    }

    @Test func behindIsNoReasonToAskForEver() {
        let scene = Scene()
        let id = scene.begin(set(2))
        for ask in 0..<3 { #expect(scene.refused(AskID(id, ask: ask), .behind).last != .fail(id, .noHolder(set(2)))) }
        #expect(scene.refused(AskID(id, ask: 3), .behind) == [.fail(id, .noHolder(set(2)))])
    }

    @Test func expiredIsTheDeadlineOnlyWhenItIs() {
        let scene = Scene()
        let id = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .expired) == [ask(id, 1, node: 0, set(2))])
        scene.machine.refused(AskID(id, ask: 1), .expired, nowNs: 999 * ms, actions: &scene.actions)
        #expect(scene.taken() == [.fail(id, .deadline)])
    }

    @Test func limits() {
        var rules = FanOutRules()
        rules.requestsMax = 1
        rules.asksMax = 1
        let scene = Scene(rules: rules)
        let id = scene.begin(set(2))
        #expect(scene.machine.begin(set(2), nowNs: 0, actions: &scene.actions) == nil)
        _ = scene.taken()
        #expect(scene.refused(AskID(id, ask: 0), .notReady) == [.fail(id, .overloaded)])
        scene.machine.release(id)
        let next = scene.begin(set(2))
        _ = scene.taken()
        #expect(scene.refused(AskID(next, ask: 0), .answerTooLarge) == [.fail(next, .answerTooLarge)])
    }

    @Test func theLocalNodeIsAskedLast() {
        let scene = Scene(localNode: 0)
        let all = scene.begin(set(0, 1))
        #expect(scene.taken() == [ask(all, 0, node: 0, set(0, 1))])
        let mixed = scene.begin(set(0, 1, 2, 3))
        #expect(scene.taken() == [ask(mixed, 1, node: 1, set(3))])
        #expect(scene.replied(AskID(mixed, ask: 1)) == (true, [ask(mixed, 0, node: 0, set(0, 1, 2))]))
        // What it refuses is asked of others after all.
        #expect(scene.refused(AskID(mixed, ask: 0), .notHeld(set(0))) == [ask(mixed, 3, node: 2, set(0))])
        #expect(scene.replied(AskID(mixed, ask: 3)) == (true, [ask(mixed, 2, node: 0, set(1, 2))]))
        #expect(scene.replied(AskID(mixed, ask: 2)) == (true, [.complete(mixed)]))
    }

    @Test func aNewSnapshotKeepsWhatIsAskedOfNodesThatStay() {
        let scene = Scene()
        let id = scene.begin(set(0, 1, 2, 3))
        _ = scene.taken()
        // Node a is gone; b and c have new places.
        let nodes = [("c", set(3, 0)), ("b", set(1, 2, 3)), ("d", set(0, 1))].map { name, holds in
            RoutingNode(id: makeID(name), host: "h", port: 1, holds: holds)
        }
        let next = RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: [])
        scene.machine.update(next, nowNs: 0, actions: &scene.actions)
        // The new node d cannot be asked yet; c was asked for nothing so far.
        #expect(scene.taken() == [ask(id, 2, node: 0, set(0)), ask(id, 3, node: 1, set(1))])
        #expect(scene.replied(AskID(id, ask: 0)) == (false, []))
        #expect(scene.replied(AskID(id, ask: 1)) == (true, []))
        scene.machine.linkDown(NodeIndex(1), nowNs: 0, actions: &scene.actions)
        #expect(scene.taken() == [ask(id, 4, node: 2, set(1))])
    }
}
