// Which node is preferred: by load, lag, what is in flight, failures, and how new it is.

import Model
import Testing

@testable import FanOut

private let s: UInt64 = 1_000_000_000

/// Two nodes that hold the same four partitions.
private func twins(weights: [Int] = [1, 1], rules: FanOutRules = FanOutRules()) -> Scene {
    let scene = Scene(rules: rules)
    let nodes = weights.enumerated().map { index, weight in
        RoutingNode(id: makeID("n\(index)"), host: "h", port: index, holds: set(0, 1, 2, 3), weight: weight)
    }
    scene.machine.update(
        RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: []), nowNs: 0, actions: &scene.actions)
    for node in nodes.indices { scene.machine.linkUp(NodeIndex(node), nowNs: 0) }
    _ = scene.taken()
    return scene
}

extension Scene {
    fileprivate var failsOpen: Bool { machine.failsOpen }

    /// Asks `count` times and answers at once; how often each node was asked.
    func share(_ count: Int, of partitions: PartitionSet?, nowNs: UInt64, hears: Bool = false) -> [Int] {
        var asked = machine.nodes.map { _ in 0 }
        for _ in 0..<count {
            guard let id = machine.begin(partitions, nowNs: nowNs, actions: &actions) else { return asked }
            var next = 0
            while next < actions.count {
                if case .ask(let ask, let node, _, _, _) = actions[next] {
                    asked[node.slot] += 1
                    _ = machine.replied(ask, nowNs: nowNs, actions: &actions)
                }
                next += 1
            }
            actions.removeAll()
            machine.release(id)
        }
        return asked
    }

    /// Lets node 0 refuse all that it is asked for, until it is left; how often it was asked.
    func fail(nowNs: UInt64, _ refusal: AskRefusal = .notReady) -> Int {
        var asked = 0
        for _ in 0..<2000 where asked < 3 {
            guard let id = machine.begin(set(1), nowNs: nowNs, actions: &actions) else { continue }
            while case .ask(let ask, let node, _, _, _) = actions.first {
                actions.removeFirst()
                if node == NodeIndex(0) {
                    asked += 1
                    machine.refused(ask, refusal, nowNs: nowNs, actions: &actions)
                } else {
                    _ = machine.replied(ask, nowNs: nowNs, actions: &actions)
                }
            }
            actions.removeAll()
            machine.release(id)
        }
        return asked
    }
}

@Suite struct NodesTests {
    @Test func workIsSpreadEvenlyAndByWeight() {
        let even = twins()
        #expect(even.share(100, of: set(1), nowNs: 0) == [50, 50])
        let uneven = twins(weights: [1, 3])
        let asked = uneven.share(400, of: set(1), nowNs: 0)
        #expect(abs(asked[0] - 100) <= 1)
    }

    @Test func aLoadedNodeGetsLess() {
        let scene = twins()
        scene.machine.heard(NodeIndex(0), lagMs: 0, loadPermille: 1000, nowNs: 0)
        // Its price is three times the other's.
        let asked = scene.share(400, of: set(1), nowNs: 0)
        #expect(abs(asked[0] - 100) <= 1)
    }

    /// In flight alone tells of a node that answers signs of life and is slow.
    @Test func aCrowdedNodeIsNotPreferred() {
        let scene = twins()
        var slow = 0
        for _ in 0..<200 {
            let id = scene.begin(set(1))
            guard case .ask(let ask, let node, _, _, _) = scene.taken().first else { continue }
            if node == NodeIndex(0) {
                slow += 1
            } else {
                _ = scene.replied(ask)
                scene.machine.release(id)
            }
        }
        #expect(slow == 9)
    }

    @Test func aLaggingNodeIsNeverPreferred() {
        let scene = twins()
        scene.machine.heard(NodeIndex(0), lagMs: 1500, loadPermille: 0, nowNs: 0)
        scene.machine.heard(NodeIndex(1), lagMs: 200, loadPermille: 0, nowNs: 0)
        #expect(scene.share(100, of: set(1), nowNs: 0) == [0, 100])
        // Where the other is down it is asked all the same.
        scene.machine.linkDown(NodeIndex(1), nowNs: 0, actions: &scene.actions)
        #expect(scene.share(10, of: set(1), nowNs: 0) == [10, 0])
    }

    @Test func whereAllLagNoneIsWorse() {
        let scene = twins()
        scene.machine.heard(NodeIndex(0), lagMs: 60_000, loadPermille: 0, nowNs: 0)
        scene.machine.heard(NodeIndex(1), lagMs: 50_000, loadPermille: 0, nowNs: 0)
        #expect(scene.share(100, of: set(1), nowNs: 0) == [50, 50])
    }

    @Test func aLagThatNobodyHearsOfIsLookedAtAgain() {
        let scene = twins()
        _ = scene.share(2, of: set(1), nowNs: 2 * s)
        scene.machine.heard(NodeIndex(0), lagMs: 5000, loadPermille: 0, nowNs: 2 * s)
        #expect(scene.share(1000, of: set(1), nowNs: 5 * s / 2)[0] == 0)
        // A few requests find out how it is.
        let asked = scene.share(1000, of: set(1), nowNs: 3 * s)
        #expect(asked[0] > 10 && asked[0] < 100)
    }

    // MARK: - Ramps

    @Test func whoComesBackDoesSoSlowly() {
        let scene = twins()
        _ = scene.share(100, of: set(1), nowNs: 10 * s)
        scene.machine.linkDown(NodeIndex(0), nowNs: 10 * s, actions: &scene.actions)
        #expect(scene.share(100, of: set(1), nowNs: 10 * s) == [0, 100])
        scene.machine.linkUp(NodeIndex(0), nowNs: 20 * s)
        var shares: [Int] = []
        for step in 0..<6 as Range<UInt64> {
            shares.append(scene.share(1000, of: set(1), nowNs: 20 * s + step * s)[0])
        }
        // A twentieth at first, more from second to second, half in the end.
        #expect(shares[0] > 30 && shares[0] < 80)
        #expect(zip(shares, shares.dropFirst()).prefix(2).allSatisfy { $0 + 50 < $1 })
        #expect(abs(shares[5] - 500) < 60)
    }

    @Test func aNewHolderOfAPartitionIsPreferredSlowlyAndForTheOthersAsEver() {
        let scene = Scene()
        _ = scene.share(10, of: set(1), nowNs: 10 * s)
        var snapshot = Scene.snapshot()
        var nodes = snapshot.nodes
        // c gets 2, which a and b hold.
        nodes[2].holds = set(0, 2, 3)
        snapshot = RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: [])
        scene.machine.update(snapshot, nowNs: 10 * s, actions: &scene.actions)
        let first = scene.share(1000, of: set(2), nowNs: 10 * s)
        #expect(first[2] > 30 && first[2] < 80)
        #expect(scene.share(300, of: set(3), nowNs: 10 * s)[2] > 100)
        // A snapshot in between neither ends nor renews the ramp.
        scene.machine.update(snapshot, nowNs: 12 * s, actions: &scene.actions)
        let half = scene.share(1000, of: set(2), nowNs: 25 * s / 2)
        #expect(half[2] > first[2] + 100)
        #expect(scene.share(300, of: set(2), nowNs: 16 * s)[2] > 80)
    }

    @Test func whereOnlyNewHoldersAreLeftTheyAreAsked() {
        let scene = twins()
        _ = scene.share(1, of: set(1), nowNs: 10 * s)
        scene.machine.linkDown(NodeIndex(0), nowNs: 10 * s, actions: &scene.actions)
        scene.machine.linkUp(NodeIndex(0), nowNs: 11 * s)
        scene.machine.linkDown(NodeIndex(1), nowNs: 11 * s, actions: &scene.actions)
        #expect(scene.share(10, of: set(1), nowNs: 11 * s) == [10, 0])
        #expect(scene.share(10, of: nil, nowNs: 11 * s) == [10, 0])
    }

    /// All are new when a router starts.
    @Test func atTheStartNobodyIsSpared() {
        let scene = twins()
        scene.machine.linkDown(NodeIndex(0), nowNs: 1 * s, actions: &scene.actions)
        scene.machine.linkUp(NodeIndex(0), nowNs: 1 * s)
        #expect(scene.share(100, of: set(1), nowNs: 1 * s) == [50, 50])
    }

    // MARK: - Failures

    @Test func whoFailsThriceOnEndIsLeftLongerEachTime() {
        let scene = twins()
        #expect(scene.fail(nowNs: 10 * s) == 3)
        #expect(scene.share(100, of: set(1), nowNs: 21 * s / 2) == [0, 100])
        // Back after a second, on a ramp; the second time it is two.
        #expect(scene.fail(nowNs: 11 * s) == 3)
        #expect(scene.share(100, of: set(1), nowNs: 12 * s) == [0, 100])
        #expect(scene.share(1000, of: set(1), nowNs: 13 * s)[0] > 0)
    }

    /// A burst that a link cannot take says nothing of the node behind it.
    @Test func aFullLinkIsNoFailureOfItsNode() {
        let scene = twins()
        #expect(scene.fail(nowNs: 10 * s, .linkFull) == 3)
        #expect(scene.share(1000, of: set(1), nowNs: 21 * s / 2)[0] > 200)
    }

    @Test func whatANodeDoesNotHoldItIsNotAskedForASecond() {
        let scene = twins()
        let id = scene.begin(set(1, 2))
        guard case .ask(let ask, let node, _, _, _) = scene.taken().first else { return }
        let other = 1 - node.slot
        #expect(scene.refused(ask, .notHeld(set(1))).count == 1)
        #expect(scene.share(20, of: set(1), nowNs: 0)[other] == 20)
        #expect(scene.share(20, of: set(2), nowNs: 0)[node.slot] > 5)
        #expect(scene.share(20, of: set(1), nowNs: 1 * s)[node.slot] > 5)
        #expect(scene.machine.find(AskID(id, ask: 1)) != nil)
    }

    @Test func failingOpenHasHysteresis() {
        var rules = FanOutRules()
        rules.hedgePercent = 0
        rules.hedgesMax = 0
        let nodes = (0..<3).map { RoutingNode(id: makeID("n\($0)"), host: "h", port: 1, holds: set(1)) }
        let scene = Scene(rules: rules)
        scene.machine.update(
            RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: []), nowNs: 0, actions: &scene.actions)
        for node in 0..<3 { scene.machine.linkUp(NodeIndex(node), nowNs: 0) }
        for node in 0..<3 {
            scene.machine.doubt(node, nowNs: 10 * s, actions: &scene.actions)
            scene.machine.leave(node, untilNs: 10 * s)
            #expect(scene.failsOpen == (node == 2))
        }
        #expect(scene.machine.counters.failOpenings == 1)
        // All are asked, and nothing of it is held against the first that shows life: it does not get everything.
        #expect(scene.share(300, of: set(1), nowNs: 10 * s) == [100, 100, 100])
        scene.machine.probeAnswered(NodeIndex(0), nowNs: 10 * s)
        #expect(scene.failsOpen)
        #expect(scene.share(300, of: set(1), nowNs: 10 * s) == [100, 100, 100])
        scene.machine.probeAnswered(NodeIndex(1), nowNs: 10 * s)
        #expect(!scene.failsOpen)
        #expect(scene.share(300, of: set(1), nowNs: 10 * s)[2] == 0)
    }

    // MARK: - Silent nodes

    /// 0 lives; 1, which holds partition 3 besides, has not been heard of on the control topic.
    private func withSilent() -> Scene {
        let scene = twins()
        var nodes = scene.machine.snapshot.nodes
        nodes[0].holds = set(0, 1, 2)
        nodes[1].isSilent = true
        scene.machine.update(
            RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: []), nowNs: 0, actions: &scene.actions)
        _ = scene.taken()
        return scene
    }

    /// After Kafka was away, say: it may live, and its link is open.
    @Test func aSilentNodeIsAskedWhereNobodyElseIs() {
        let scene = withSilent()
        #expect(scene.share(100, of: set(0, 1), nowNs: s) == [100, 0])
        #expect(scene.share(100, of: nil, nowNs: s) == [100, 0])
        #expect(scene.share(100, of: set(0, 3), nowNs: s) == [100, 100])
        // Before one whose link is closed.
        scene.machine.linkDown(NodeIndex(0), nowNs: s, actions: &scene.actions)
        #expect(scene.share(100, of: set(0, 3), nowNs: s) == [0, 100])
    }

    /// It is heard again: nothing was wrong with its link, so it has no ramp.
    @Test func whoIsHeardAgainIsAsGoodAsBefore() {
        let scene = withSilent()
        var nodes = scene.machine.snapshot.nodes
        nodes[1].isSilent = false
        scene.machine.update(
            RoutingSnapshot(partitionCount: 4, nodes: nodes, covers: []), nowNs: 10 * s, actions: &scene.actions)
        let asked = scene.share(200, of: set(0), nowNs: 10 * s)
        #expect(asked[1] > 80, "\(asked)")
    }

    /// That it is not left says nothing of those that are: all that live are left, and count again.
    @Test func aSilentNodeDoesNotKeepItFromFailingOpen() {
        let scene = withSilent()
        #expect(scene.fail(nowNs: 10 * s) == 3)
        #expect(scene.failsOpen)
        #expect(scene.share(10, of: set(0), nowNs: 10 * s) == [10, 0])
    }
}
