import Model
import Placement
import Testing

@testable import Membership

struct NodeLifeTests {
    static let me = makeID("a")
    static let all = PartitionSet(below: 12)

    static func state(_ heartbeats: [Heartbeat]) throws -> ClusterState {
        let view = try HoldPlanTests.view(heartbeats)
        return ClusterState(
            view: view,
            placement: Placement.place(members: view.placementMembers, partitions: 12, replicas: .count(2)))
    }

    static let allReady = Array(0..<12)

    @Test func fromJoiningToDraining() throws {
        var life = NodeLife(node: Self.me)
        #expect(life.state(ready: PartitionSet()) == .joining)
        // Its own heartbeat is not read yet: the placement of the others says nothing about it.
        #expect(life.update(try Self.state([makeNode("b")]), ready: PartitionSet()) == nil)
        #expect(life.update(try Self.state([makeNode("a"), makeNode("b")]), ready: PartitionSet()) == Self.all)
        #expect(life.state(ready: PartitionSet()) == .warming)
        #expect(life.state(ready: HoldPlanTests.set([3])) == .serving)
        life.drain()
        #expect(life.state(ready: HoldPlanTests.set([3])) == .draining)
    }

    /// One partition on one of two nodes: the other has nothing to hold, and that is no reason to warm for ever.
    @Test func withNothingToHoldItServes() throws {
        let placement = Placement.place(
            members: ["a", "z"].map { PlacementMember(id: makeID($0)) }, partitions: 1, replicas: .count(1))
        let idle = placement.holders(of: PartitionID(0)) == [Self.me] ? makeID("z") : Self.me
        var life = NodeLife(node: idle)
        let state = ClusterState(view: try HoldPlanTests.view([makeNode("a"), makeNode("z")]), placement: placement)
        // What it began with before it was placed goes.
        #expect(life.update(state, ready: PartitionSet()) == PartitionSet())
        #expect(life.update(state, ready: PartitionSet()) == nil)
        #expect(life.state(ready: PartitionSet()) == .serving)
    }

    /// A node that was cut off reads that it is gone, and every router with it: it drops nothing by that.
    @Test func whoComesBackDropsNothingBeforeRoutersAreHeard() throws {
        var life = NodeLife(node: Self.me)
        func held(_ heartbeats: [Heartbeat]) throws -> PartitionSet {
            let view = try HoldPlanTests.view(heartbeats)
            let placement = Placement.place(members: view.placementMembers, partitions: 12, replicas: .count(1))
            _ = life.update(ClusterState(view: view, placement: placement), ready: life.held)
            return life.held
        }
        func other(clockMs: Int64) -> Heartbeat {
            var other = makeNode("b", ready: Self.allReady)
            other.clockMs = clockMs
            return other
        }
        #expect(try held([makeNode("a")]) == Self.all)
        #expect(try held([makeNode("a"), other(clockMs: 90_000)]) == Self.all)
        // Its own heartbeat is read again, maybe in one go with the news that it was gone.
        let back = [makeNode("a"), other(clockMs: 90_000), makeNode("a")]
        #expect(try held(back) == Self.all)
        #expect(try held(back + [other(clockMs: 94_999)]) == Self.all)
        #expect(try held(back + [other(clockMs: 95_000)]) != Self.all)
    }

    struct Drain: Sendable {
        var note: String
        var others: [Heartbeat]
        var ready = Array(0..<12)
        var isSafe: Bool
    }

    static let drains = [
        Drain(note: "nobody else", others: [], isSafe: true),
        Drain(note: "the others are not ready", others: [makeNode("b"), makeNode("c")], isSafe: false),
        Drain(
            note: "one partition is not taken over",
            others: [makeNode("b", ready: allReady), makeNode("c", ready: Array(1..<12))], isSafe: false),
        Drain(
            note: "that partition is not ready here either",
            others: [makeNode("b", ready: allReady), makeNode("c", ready: Array(1..<12))], ready: Array(1..<12),
            isSafe: true),
        Drain(
            note: "all taken over", others: [makeNode("b", ready: allReady), makeNode("c", ready: allReady)],
            isSafe: true),
        Drain(
            note: "a router has not read it",
            others: [makeNode("b", ready: allReady), makeNode("c", ready: allReady), makeRouter("r", seen: 0)],
            isSafe: false),
        Drain(note: "all others drain too", others: [makeNode("b", state: .draining)], isSafe: true),
        Drain(note: "only a router stays", others: [makeRouter("r", seen: 0)], isSafe: true),
    ]

    @Test(arguments: drains)
    func safeToRemove(_ test: Drain) throws {
        var life = NodeLife(node: Self.me)
        let ready = HoldPlanTests.set(test.ready)
        let serving = makeNode("a", ready: test.ready)
        _ = life.update(try Self.state([serving]), ready: ready)
        life.drain()
        // Where somebody stays, not before the cluster has read that it drains.
        _ = life.update(try Self.state([serving] + test.others), ready: ready)
        let stays = test.others.contains { $0.kind.isNode && $0.state != .draining }
        #expect(life.isSafeToRemove == !stays, "\(test.note)")
        let draining = makeNode("a", state: .draining, ready: test.ready)
        // What is held answers to the end.
        #expect(life.update(try Self.state([draining] + test.others), ready: ready) == nil)
        #expect(life.held == Self.all)
        #expect(life.isSafeToRemove == test.isSafe, "\(test.note)")
    }

    @Test func whatWasNeverPlacedIsSafeAtOnce() {
        var life = NodeLife(node: Self.me)
        life.drain()
        #expect(life.isSafeToRemove)
    }
}
