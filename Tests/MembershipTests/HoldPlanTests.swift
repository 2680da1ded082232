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

    /// The same, the log's clock this much further on.
    static func view(_ heartbeats: [Heartbeat], clockMs: Int64) throws -> MembershipView {
        var last = heartbeats
        last[last.count - 1].clockMs = clockMs
        return try view(last)
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

    /// `seen` of a router is the offset of the last record that its requests go by.
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
            note: "a router has not read that c is ready",
            others: [makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1]), makeRouter("r", seen: 0)], drop: [],
            dropLate: [0, 1]),
        Case(
            note: "it has now",
            others: [
                makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1]), makeRouter("r", seen: 0),
                makeRouter("r", seen: 2),
            ], drop: [0, 1], dropLate: [0, 1]),
        Case(
            note: "one router of two has",
            others: [
                makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1]), makeRouter("r", seen: 3),
                makeRouter("s", seen: 0),
            ], drop: [], dropLate: [0, 1]),
        Case(
            // Its generation is seen, its readiness is not: a router that went by that would ask nobody.
            note: "c became ready behind what the router has read",
            others: [
                makeNode("b", ready: [0, 1]), makeNode("c"), makeRouter("r", seen: 2), makeNode("c", ready: [0, 1]),
            ], drop: [], dropLate: [0, 1]),
        Case(
            note: "another that is to drop it too is ready",
            others: [makeNode("b"), makeNode("c"), makeNode("d", ready: [0, 1])], drop: [], dropLate: []),
    ]

    @Test(arguments: cases)
    func makeBeforeBreak(_ test: Case) throws {
        var plan = HoldPlan(node: Self.me, deadlineMs: 1_000)
        for (clockMs, drop) in [(0, test.drop), (999, test.drop), (1_000, test.dropLate)] as [(Int64, [Int])] {
            let view = try Self.view(test.others, clockMs: clockMs)
            let actions = plan.update(view: view, placement: Self.placement, held: Self.both)
            #expect(actions.drop == Self.set(drop), "\(test.note) at \(clockMs)")
            #expect(actions.keep == Self.both.subtracting(Self.set(drop)), "\(test.note) at \(clockMs)")
            #expect(actions.load.isEmpty)
        }
    }

    /// A router that is cut off from Kafka answers clients by what it last read. It is waited for.
    @Test func aSilentRouterIsWaitedFor() throws {
        var log = ClusterLog()
        var view = MembershipView()
        for heartbeat in [makeRouter("r", seen: 0), makeNode("b", ready: [0, 1]), makeNode("c", ready: [0, 1])] {
            log.append(heartbeat)
            try view.apply(log.last)
        }
        var plan = HoldPlan(node: Self.me, deadlineMs: 20_000)
        for second in 0..<20 {
            let actions = plan.update(view: view, placement: Self.placement, held: Self.both)
            #expect(actions.keep == Self.both, "second \(second)")
            for id in ["b", "c"] {
                log.append(makeNode(id, ready: [0, 1]), afterMs: id == "b" ? 1_000 : 0)
                try view.apply(log.last)
            }
        }
        #expect(view.member(makeID("r"))?.isSilent == true)
        #expect(plan.update(view: view, placement: Self.placement, held: Self.both).drop == Self.both)
    }

    @Test func loadsWhatIsPlacedHereAndForgetsWhatComesBack() throws {
        let here = Placement.place(members: [PlacementMember(id: Self.me)], partitions: 2, replicas: .count(1))
        let others = [makeNode("a"), makeNode("b", ready: [0, 1]), makeRouter("r", seen: 0)]
        var plan = HoldPlan(node: Self.me, deadlineMs: 1_000)
        #expect(plan.update(view: try Self.view(others), placement: here, held: Self.set([1])).load == Self.set([0]))
        // Placed elsewhere, then here again, then elsewhere: the deadline begins anew.
        for (placement, clockMs, drop) in [
            (Self.placement, 0, []), (here, 900, []), (Self.placement, 1_000, []), (Self.placement, 2_000, [0, 1]),
        ] as [(Placement, Int64, [Int])] {
            let view = try Self.view(others, clockMs: clockMs)
            let actions = plan.update(view: view, placement: placement, held: Self.both)
            #expect(actions.drop == Self.set(drop), "at \(clockMs)")
        }
    }

    /// The topic was made anew: its clock begins anew, and the deadline with it.
    @Test func aClockThatBeginsAnewDropsNothingEarly() throws {
        var plan = HoldPlan(node: Self.me, deadlineMs: 1_000)
        for (clockMs, drop) in [(50_000, []), (10, []), (1_009, []), (1_010, [0])] as [(Int64, [Int])] {
            let view = try Self.view([makeNode("c"), makeNode("b", ready: [0])], clockMs: clockMs)
            let actions = plan.update(view: view, placement: Self.placement, held: Self.set([0]))
            #expect(actions.drop == Self.set(drop), "at \(clockMs)")
        }
    }

    @Test func anEmptyPlacementDropsNothing() throws {
        let nobody = Placement.place(members: [], partitions: 2, replicas: .count(2))
        var plan = HoldPlan(node: Self.me)
        let actions = plan.update(view: MembershipView(), placement: nobody, held: Self.both)
        #expect(actions.keep == Self.both && actions.drop.isEmpty)
    }
}
