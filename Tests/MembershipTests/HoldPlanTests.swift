import Model
import Placement
import Testing

@testable import Membership

struct HoldPlanTests {
    static let me = makeID("a")

    static func view(_ heartbeats: [Heartbeat]) throws -> MembershipView {
        var log = ClusterLog()
        var view = MembershipView()
        for heartbeat in heartbeats {
            log.append(heartbeat)
            try view.apply(log.last)
        }
        return view
    }

    /// Two nodes hold everything, this one is no longer among them.
    static let placement = Placement.place(
        members: [PlacementMember(id: makeID("b")), PlacementMember(id: makeID("c"))], partitions: 2,
        replicas: .count(2))
    static let both = PartitionSet(below: 2)

    static func set(_ partitions: [Int]) -> PartitionSet {
        var set = PartitionSet()
        for partition in partitions { set.insert(PartitionID(partition)) }
        return set
    }

    struct Case: Sendable {
        var note: String
        var others: [Heartbeat]
        var drop: [Int]
        var dropLate: [Int]
    }

    /// The view's generation is the number of the other heartbeats less one, the offset of the last to join.
    static let cases = [
        Case(note: "nobody ready", others: [makeNode("b"), makeNode("c")], drop: [], dropLate: []),
        Case(
            note: "one of two ready", others: [makeNode("b", ready: [0]), makeNode("c")], drop: [], dropLate: [0]),
        Case(
            note: "both ready for one", others: [makeNode("b", ready: [0]), makeNode("c", ready: [0, 1])], drop: [0],
            dropLate: [0, 1]),
        Case(
            note: "ready, but only warming",
            others: [makeNode("b", state: .warming, ready: [0, 1]), makeNode("c", ready: [0])], drop: [],
            dropLate: [0]),
        Case(
            note: "a router has not seen it",
            others: [makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1]), makeRouter("r", seen: 1)], drop: [],
            dropLate: [0, 1]),
        Case(
            note: "the router has seen it",
            others: [
                makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1]), makeRouter("r", seen: 1),
                makeRouter("r", seen: 2),
            ], drop: [0, 1], dropLate: [0, 1]),
    ]

    @Test(arguments: cases)
    func makeBeforeBreak(_ test: Case) throws {
        let view = try Self.view(test.others)
        var plan = HoldPlan(node: Self.me, deadlineMs: 1_000)
        for (nowMs, drop) in [(0, test.drop), (999, test.drop), (1_000, test.dropLate)] as [(Int64, [Int])] {
            let actions = plan.update(view: view, placement: Self.placement, held: Self.both, nowMs: nowMs)
            #expect(actions.drop == Self.set(drop), "\(test.note) at \(nowMs)")
            #expect(actions.keep == Self.both.subtracting(Self.set(drop)), "\(test.note) at \(nowMs)")
            #expect(actions.load.isEmpty)
            #expect(actions.isSafeToRemove(holding: Self.both) == (drop.count == 2))
        }
    }

    @Test func loadsWhatIsPlacedHereAndForgetsWhatComesBack() throws {
        let here = Placement.place(members: [PlacementMember(id: Self.me)], partitions: 2, replicas: .count(1))
        let view = try Self.view([makeNode("a"), makeNode("b", ready: [0, 1]), makeRouter("r", seen: 0)])
        var plan = HoldPlan(node: Self.me, deadlineMs: 1_000)
        #expect(plan.update(view: view, placement: here, held: Self.set([1]), nowMs: 0).load == Self.set([0]))
        // Placed elsewhere, then here again, then elsewhere: the deadline begins anew.
        for (placement, nowMs, drop) in [
            (Self.placement, 0, []), (here, 900, []), (Self.placement, 1_000, []), (Self.placement, 2_000, [0, 1]),
        ] as [(Placement, Int64, [Int])] {
            let actions = plan.update(view: view, placement: placement, held: Self.both, nowMs: nowMs)
            #expect(actions.drop == Self.set(drop), "at \(nowMs)")
        }
    }

    @Test func anEmptyPlacementDropsNothing() throws {
        let nobody = Placement.place(members: [], partitions: 2, replicas: .count(2))
        var plan = HoldPlan(node: Self.me)
        let actions = plan.update(view: MembershipView(), placement: nobody, held: Self.both, nowMs: 0)
        #expect(actions.keep == Self.both && actions.drop.isEmpty)
    }
}
