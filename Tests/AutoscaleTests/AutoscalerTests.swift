import Membership
import Model
import Placement
import Testing

@testable import Autoscale

/// What is decided after a quiet minute with these members.
struct AutoscalerTableTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var call: String?
        var reason: AutoscaleReason
        var replicas = Replicas.count(2)
        var change: @Sendable (inout AutoscaleRules) -> Void = { _ in }
        var set: @Sendable (inout Cast) -> Void

        init(
            _ testDescription: String, _ call: String?, _ reason: AutoscaleReason, replicas: Replicas = .count(2),
            change: @escaping @Sendable (inout AutoscaleRules) -> Void = { _ in },
            set: @escaping @Sendable (inout Cast) -> Void
        ) {
            self.testDescription = testDescription
            self.call = call
            self.reason = reason
            self.replicas = replicas
            self.change = change
            self.set = set
        }
    }

    static let cases: [Case] = [
        Case("one node above", "0-out", .loadAbove(800), replicas: .all) { $0.serve(["a": 800]) },
        Case("the mean counts", "0-out", .loadAbove(750)) { $0.serve(["a": 1_000, "b": 500]) },
        Case("exactly at the bound", nil, .steady) { $0.serve(["a": 700, "b": 700]) },
        Case("between the bounds", nil, .steady) { $0.serve(["a": 600, "b": 500, "c": 400]) },
        Case("exactly at the lower bound", nil, .steady) { $0.serve(["a": 400, "b": 400, "c": 400]) },
        Case("below", "0-in", .loadBelow(200)) { $0.serve(["a": 200, "b": 200, "c": 200]) },
        Case("as many as may be", nil, .atMaximum) { $0.serve(["a": 900, "b": 900, "c": 900, "d": 900]) },
        Case("as few as may be", nil, .atMinimum, change: { $0.nodesMin = 3 }) {
            $0.serve(["a": 1, "b": 1, "c": 1])
        },
        Case("never fewer than replicas", nil, .atMinimum) { $0.serve(["a": 1, "b": 1]) },
        Case("max replicas may shrink to one", "0-in", .loadBelow(1), replicas: .all) { $0.serve(["a": 1, "b": 1]) },
        Case("one would be full alone", nil, .othersWouldBeFull(780), replicas: .all) {
            $0.serve(["a": 390, "b": 390])
        },
        Case("one would nearly be full alone", nil, .othersWouldBeFull(650), replicas: .all) {
            $0.serve(["a": 325, "b": 325])
        },
        Case("one would have room alone", "0-in", .loadBelow(324), replicas: .all) {
            $0.serve(["a": 324, "b": 324])
        },
        Case("fewer than must be", "0-out", .belowMinimum, change: { $0.nodesMin = 3 }) {
            $0.serve(["a": 100, "b": 100])
        },
        Case("none at all, and a router that tells so", "0-out", .belowMinimum) { _ in },
        Case("a figure is missing, high", nil, .notMeasured(makeID("b"))) { $0.serve(["a": 1_000, "b": nil]) },
        Case("a figure is missing, low", nil, .notMeasured(makeID("c"))) { $0.serve(["a": 1, "b": 1, "c": nil]) },
        Case("one loads", nil, .unsettled(makeID("c"))) {
            $0.serve(["a": 900, "b": 900, "c": 0])
            $0.change("c") { $0.state = .warming }
        },
        Case("one drains", nil, .unsettled(makeID("c"))) {
            $0.serve(["a": 900, "b": 900, "c": 0])
            $0.change("c") { $0.state = .draining }
        },
        Case("one lacks what is placed on it", nil, .unsettled(makeID("b"))) {
            $0.serve(["a": 900, "b": 900, "c": 900])
            $0.change("b") { $0.holdings.removeAll() }
        },
        Case("different settings", nil, .disagreement) {
            $0.serve(["a": 900, "b": 900])
            $0.change("b") {
                $0.configuration = ClusterConfiguration(partitions: 12, replicas: .count(3), topicNames: ["events"])
            }
        },
    ]

    @Test(arguments: cases) func decides(_ sample: Case) throws {
        var rules = Cast.rules
        sample.change(&rules)
        var cast = Cast(rules: rules, replicas: sample.replicas)
        sample.set(&cast)
        let decision = try cast.seconds(60)
        #expect(decision.reason == sample.reason)
        let call = decision.call.map { $0.action == .scaleOut ? "0-out" : "0-in" }
        #expect(call == sample.call)
        #expect(decision.call?.generation == (sample.call == nil ? nil : cast.view.generation))
    }

    @Test func namesAreComplete() {
        let reasons: [AutoscaleReason] =
            Self.cases.map(\.reason) + [
                .measuring, .nothingHeard, .silentNode(makeID("a")), .called(.scaleOut), .coolDown(leftMs: 1),
                .notInCharge,
            ]
        #expect(Set(reasons.map(\.name)) == Set(AutoscaleReason.names))
    }
}

struct AutoscalerTests {
    private func isCoolDown(_ reason: AutoscaleReason) -> Bool {
        if case .coolDown = reason { true } else { false }
    }

    @Test func aWindowMustBeFullAndACoolDownOver() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        var reasons: [AutoscaleReason] = []
        for _ in 0..<20 { reasons.append(try cast.second().reason) }
        // The first figure may be of the time before the topology was settled.
        #expect(reasons[0..<11].allSatisfy { $0 == .measuring })
        #expect(reasons[11..<20].allSatisfy(isCoolDown))
        #expect(try cast.second().call?.key == "\(cast.view.generation.rawValue)-scale-out")
    }

    @Test func onePeakIsNoLoad() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 500])
        _ = try cast.seconds(60)
        cast.serve(["a": 1_000])
        for _ in 0..<4 { #expect(try cast.second().call == nil) }
        cast.serve(["a": 500])
        #expect(try cast.seconds(60).reason == .steady)
    }

    @Test func oneChangeAtATime() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        let call = try #require(try cast.seconds(60).call)
        #expect(call.desiredNodes == 2 && call.load == 900)
        // The node is not there yet.
        #expect(try cast.seconds(50).reason == .called(.scaleOut))
        cast.serve(["b": nil])
        cast.change("b") { $0.state = .warming }
        #expect(try cast.seconds(30).reason == .unsettled(makeID("b")))
        cast.serve(["b": 900])
        var reasons: [AutoscaleReason] = []
        for _ in 0..<20 {
            let decision = try cast.second()
            #expect(decision.call == nil)
            reasons.append(decision.reason)
        }
        #expect(reasons.first == .measuring)
        #expect(reasons.last.map(isCoolDown) == true)
        #expect(try cast.seconds(5).call?.nodes == 2)
    }

    @Test func aChangeThatNeverShowsEndsAtItsDeadline() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        let call = try #require(try cast.seconds(60).call)
        var overdue: [AutoscaleCall] = []
        for _ in 0..<100 {
            let decision = try cast.second()
            #expect(decision.call == nil)
            overdue += [decision.overdue].compactMap { $0 }
        }
        #expect(overdue == [call])
        // Again after the cool-down, and under the same key, since the topology is the same.
        for _ in 0..<19 { #expect(isCoolDown(try cast.second().reason)) }
        #expect(try cast.second().call?.key == call.key)
    }

    @Test func aFailedHookIsCalledAgainAfterTheCoolDown() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        let call = try #require(try cast.seconds(60).call)
        cast.scaler.failed(call, nowMs: cast.nowMs)
        for _ in 0..<19 { #expect(isCoolDown(try cast.second().reason)) }
        #expect(try cast.second().call == call)
    }

    @Test func aNodeThatNeverGetsReadyBlocksNoGrowthForGood() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900, "b": nil])
        cast.change("b") { $0.state = .warming }
        for _ in 0..<100 { #expect(try cast.second().call == nil) }
        #expect(try cast.seconds(60).call?.action == .scaleOut)
        cast.serve(["a": 1])
        for _ in 0..<300 { #expect(try cast.second().call?.node == nil) }
    }

    @Test func aSilentNodeNeverShrinksTheCluster() throws {
        var cast = Cast()
        cast.serve(["a": 10, "b": 10, "c": 10, "d": 10])
        // Once the cool-down is nearly over, one falls silent.
        for _ in 0..<35 { #expect(try cast.second().call == nil) }
        cast.silent = [makeID("d")]
        var isSeen = false
        for _ in 0..<50 {
            let decision = try cast.second()
            #expect(decision.call == nil)
            isSeen = isSeen || decision.reason == .silentNode(makeID("d"))
        }
        #expect(isSeen)
    }

    @Test func theOthersOfASilentNodeMayGetHelp() throws {
        var cast = Cast()
        cast.serve(["a": 900, "b": 900, "c": 900])
        for _ in 0..<5 { _ = try cast.second() }
        cast.silent = [makeID("c")]
        #expect(try cast.seconds(40).call?.action == .scaleOut)
    }

    @Test func aSilentKafkaDecidesNothing() throws {
        for load in [10, 900] {
            var cast = Cast()
            cast.serve(["a": load, "b": load, "c": load])
            for _ in 0..<12 { #expect(try cast.second().call == nil) }
            cast.silent = Set(cast.members.map(\.id))
            for _ in 0..<120 { #expect(try cast.second().call == nil) }
            #expect(try cast.second().reason == .nothingHeard)
            // When it is back, the window begins anew.
            cast.silent = []
            for _ in 0..<10 { #expect(try cast.second().reason == .measuring) }
        }
    }

    @Test func aStaleFigureIsNone() throws {
        // The silence is not noticed by the members for long: the figure is stale before.
        var cast = Cast()
        var timeouts = MembershipTimeouts()
        timeouts.silentMs = 1_000_000
        timeouts.graceMs = 2_000_000
        cast.view = MembershipView(timeouts: timeouts)
        cast.serve(["a": 10, "b": 10, "c": 10])
        cast.silent = []
        for _ in 0..<30 { _ = try cast.second() }
        cast.silent = [makeID("b")]
        for _ in 0..<60 { #expect(try cast.second().call == nil) }
        #expect(try cast.second().reason == .notMeasured(makeID("b")))
    }

    /// Its change is under way until it serves or its grace is over, and the cool-down counts from then. One that has served
    /// keeps nobody: the others bear its part.
    @Test(arguments: [MemberState.warming, .serving]) func whoFellSilentBeforeItServedIsWaitedFor(
        state: MemberState
    ) throws {
        var cast = Cast()
        cast.serve(["a": 900, "b": 900, "c": 0])
        cast.change("c") { $0.state = state }
        _ = try cast.second()
        cast.silent = [makeID("c")]
        let decision = try cast.seconds(50)
        #expect(cast.view.member(makeID("c"))?.isSilent == true)
        #expect(decision.call == nil ? decision.reason == .unsettled(makeID("c")) : state == .serving)
        #expect((decision.call == nil) == (state == .warming))
    }

    /// One node hands its work to another, and tells so late: the old figure is of another share.
    @Test func aFigureFromBeforeTheTopologySettledDoesNotCount() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900, "b": 0])
        cast.change("b") { $0.holdings.removeAll() }
        #expect(try cast.seconds(30).reason == .unsettled(makeID("b")))
        cast.silent = [makeID("a")]
        cast.serve(["b": 600])
        for _ in 0..<4 {
            let decision = try cast.second()
            #expect(decision.reason == .measuring)
            #expect(decision.load == nil)
        }
        cast.silent = []
        cast.serve(["a": 600])
        #expect(try cast.second().load == 600)
    }

    /// The process was stopped for a minute. What it sees first is new to it, and as old as its last look.
    @Test func aMachineThatStoodStillBeginsAnew() throws {
        var rules = Cast.rules
        rules.nodesMin = 2
        var cast = Cast(rules: rules, replicas: .all)
        cast.serve(["a": 300])
        for _ in 0..<15 { #expect(try cast.second().call == nil) }
        cast.nowMs += 60_000
        let decision = try cast.second()
        #expect(decision.call == nil)
        #expect(decision.reason == .measuring)
        #expect(try cast.seconds(30).reason == .belowMinimum)
    }

    /// A node of twice the weight does twice as much at the same load: the mean of 39.9 % is one node's 79.8 %.
    @Test func theForecastGoesByTheWork() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["heavy": 798], weight: 2)
        cast.serve(["light": 0])
        #expect(try cast.seconds(90).reason == .othersWouldBeFull(798))
    }

    @Test func anyNewGenerationClearsTheWindow() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        // A router restarts every eight seconds; that is no change of nodes, but nothing is decided meanwhile.
        for round in 0..<10 {
            cast.change("router") { $0.incarnation = Incarnation(startedMs: Int64(round + 2), number: 1) }
            for _ in 0..<8 { #expect(try cast.second().call == nil) }
        }
        #expect(try cast.seconds(20).call?.action == .scaleOut)
    }

    @Test func whoIsNotInChargeFollowsAndCallsNothing() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        let decision = try cast.seconds(60, isInCharge: false)
        #expect(decision.call == nil && decision.reason == .notInCharge)
        // Taking over it goes on from a full window.
        #expect(try cast.second().call?.action == .scaleOut)
    }

    @Test func theNodeThatMovesLeastLeaves() throws {
        for count in 3...6 {
            let names = (0..<count).map { "n\($0)" }
            var rules = Cast.rules
            rules.nodesMax = 10
            var cast = Cast(rules: rules)
            cast.serve(Dictionary(uniqueKeysWithValues: names.map { ($0, 100 as Int?) }))
            // One is heavier: it holds more, so others go first.
            cast.serve(["n1": 100], weight: 3)
            let call = try #require(try cast.seconds(60).call)
            let members = names.map { PlacementMember(id: makeID($0), weight: $0 == "n1" ? 3 : 1) }
            let now = Placement.place(members: members, partitions: 12, replicas: .count(2))
            func moved(_ leaver: ID) -> Int {
                let left = Placement.place(
                    members: members.filter { $0.id != leaver }, partitions: 12, replicas: .count(2))
                return (0..<12).reduce(0) { sum, partition in
                    let holders = Set(now.holders(of: PartitionID(partition)))
                    return sum + left.holders(of: PartitionID(partition)).count { !holders.contains($0) }
                }
            }
            let moves = members.map { moved($0.id) }
            #expect(call.node.map(moved) == moves.min(), "\(count) nodes: \(moves)")
        }
    }

    @Test func shrinkingIsSeenThroughToTheEnd() throws {
        var cast = Cast()
        cast.serve(["a": 100, "b": 100, "c": 100])
        let call = try #require(try cast.seconds(60).call)
        let leaver = try #require(call.node)
        #expect(call.desiredNodes == 2)
        cast.change("\(leaver)") { $0.state = .draining }
        #expect(try cast.seconds(20).reason == .unsettled(leaver))
        try cast.leave("\(leaver)")
        #expect(try cast.seconds(100).reason == .atMinimum)
    }
}

/// Machines beside each other, and time that goes on.
struct AutoscalerTogetherTests {
    @Test func twoThatLookAtDifferentTimesUseOneKey() throws {
        var cast = Cast(replicas: .all)
        var other = Autoscaler(rules: Cast.rules)
        cast.serve(["a": 900])
        var keys: [String] = []
        for _ in 0..<60 {
            let decision = try cast.second()
            keys += [decision.call, other.look(at: cast.view, nowMs: cast.nowMs + 400).call].compactMap { $0?.key }
        }
        #expect(keys.count == 2 && Set(keys).count == 1)
    }

    @Test func theLiveRouterOfTheLowestIDLeads() throws {
        var cast = Cast()
        var first = cast.members[0]
        first.id = makeID("a-router")
        cast.members.append(first)
        cast.serve(["a": 500])
        for _ in 0..<3 { _ = try cast.second() }
        #expect(cast.view.isLeadingRouter(makeID("a-router")) && !cast.view.isLeadingRouter(makeID("router")))
        #expect(!cast.view.isLeadingRouter(makeID("a")))
        cast.silent = [first.id]
        for _ in 0..<10 { _ = try cast.second() }
        #expect(!cast.view.isLeadingRouter(makeID("a-router")) && cast.view.isLeadingRouter(makeID("router")))
    }

    @Test func aSecondOneThatSeesTheNodeDoesNotCall() throws {
        var cast = Cast(replicas: .all)
        cast.serve(["a": 900])
        var late: Autoscaler?
        let call = try #require(try cast.seconds(60).call)
        cast.serve(["a": 500, "b": 500])
        // This one began late: its window is not full when the new node is there.
        for _ in 0..<50 {
            _ = try cast.second()
            var scaler = late ?? Autoscaler(rules: Cast.rules)
            #expect(scaler.look(at: cast.view, nowMs: cast.nowMs).call == nil, "\(call.key)")
            late = scaler
        }
    }

    /// The work of a cluster is the same however many nodes share it; no number of nodes that it comes to is left again.
    @Test func constantWorkNeverFlaps() throws {
        for work in stride(from: 100, through: 2_700, by: 325) {
            for start in 1...4 {
                var cast = Cast(replicas: .all)
                var count = start
                var changes: [Int] = []
                for _ in 0..<600 {
                    let names = (0..<count).map { "n\($0)" }
                    cast.serve(
                        Dictionary(uniqueKeysWithValues: names.map { ($0, min(work / count, 1_000) as Int?) }))
                    guard let call = try cast.second().call else { continue }
                    changes.append(call.desiredNodes - call.nodes)
                    if let node = call.node {
                        // The highest id goes, as nothing moves.
                        #expect(node == makeID("n\(count - 1)"))
                        try cast.leave("\(node)")
                    }
                    count = call.desiredNodes
                }
                #expect(Set(changes).count <= 1, "work \(work) from \(start) nodes: \(changes)")
            }
        }
    }

    @Test func flapsWouldBeSeen() throws {
        // Without the margin two nodes at 39 % become one at 78 %, and two again.
        var rules = Cast.rules
        rules.scaleOutAbove = 2_000
        var cast = Cast(rules: rules, replicas: .all)
        cast.serve(["a": 390, "b": 390])
        #expect(try cast.seconds(60).call?.action == .scaleIn(makeID("b")))
    }
}
