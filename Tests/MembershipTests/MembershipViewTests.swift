import Model
import Placement
import TestSupport
import Testing

@testable import Membership

struct MembershipViewTests {
    struct Step: Sendable {
        var heartbeat: Heartbeat
        var afterMs: Int64 = 1_000
        var changes: [MembershipChange]
        var generation: Int64
    }

    static let a = makeID("a")
    static let b = makeID("b")

    static let restart = [
        Step(heartbeat: makeNode("a"), changes: [.joined(a)], generation: 0),
        Step(heartbeat: makeNode("a"), changes: [], generation: 0),
        Step(heartbeat: makeNode("a", ready: [1]), changes: [.readiness(a)], generation: 0),
        Step(heartbeat: makeNode("a", weight: 2), changes: [.altered(a), .readiness(a)], generation: 3),
        Step(heartbeat: makeNode("b"), changes: [.joined(b)], generation: 4),
        Step(
            heartbeat: makeNode("a", life: 2, state: .warming), changes: [.restarted(a), .readiness(a)], generation: 5),
        Step(heartbeat: makeNode("a", life: 2, state: .serving), changes: [.readiness(a)], generation: 5),
        Step(
            heartbeat: makeNode("a", life: 2, state: .draining), changes: [.altered(a), .readiness(a)], generation: 7),
    ]

    @Test func joinAlterRestartDrain() throws {
        var log = ClusterLog()
        var view = MembershipView()
        for step in Self.restart {
            log.append(step.heartbeat, afterMs: step.afterMs)
            #expect(try view.apply(log.last) == step.changes)
            #expect(view.generation == Generation(step.generation))
        }
        #expect(view.placementMembers.map(\.id) == [Self.b])
        #expect(view.readyHolders.map(\.node) == [Self.a, Self.b])
        log.append(makeNode("a", life: 2).farewell)
        #expect(try view.apply(log.last) == [.left(Self.a)])
        log.append(makeNode("a", life: 2).farewell)
        #expect(try view.apply(log.last) == [])
        #expect(view.generation == Generation(8))
    }

    /// The tombstone of a life that has left comes behind the first heartbeat of the next one.
    @Test func aLateTombstoneTakesNobodyAway() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeNode("a", life: 1))
        log.append(makeNode("a", life: 1).farewell)
        log.append(makeNode("a", life: 2, ready: [1]))
        for entry in log.entries { try view.apply(entry) }
        log.append(Self.a, nil)
        #expect(try view.apply(log.last) == [])
        #expect(view.readyHolders.map(\.node) == [Self.a])
        // So does its last word, where it is written twice.
        log.append(makeNode("a", life: 1).farewell)
        #expect(throws: HeartbeatError.formerLife) { try view.apply(log.last) }
    }

    @Test func tellsSinceWhenAMemberMayBeAsked() throws {
        var log = ClusterLog()
        var view = MembershipView()
        for heartbeat in [
            makeNode("a"), makeNode("a", ready: [1]), makeNode("a", ready: [1]), makeNode("a", ready: [1, 2]),
        ] {
            log.append(heartbeat, afterMs: 1_000)
            try view.apply(log.last)
        }
        #expect(view.member(Self.a)?.changedAt == Offset(3))
        for _ in 0..<8 {
            log.append(makeNode("b"), afterMs: 1_000)
            try view.apply(log.last)
        }
        // Silence takes it away from requests, so speaking again is news.
        log.append(makeNode("a", ready: [1, 2]))
        try view.apply(log.last)
        #expect(view.member(Self.a)?.changedAt == Offset(12))
    }

    /// `a` stops at once; `b` alone moves the clock on, second by second.
    @Test func silenceThenEndOfGrace() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeNode("a", ready: [1]))
        try view.apply(log.last)
        log.append(makeNode("b", ready: [1]))
        try view.apply(log.last)
        for second in 1...61 {
            log.append(makeNode("b", ready: [1]), afterMs: 1_000)
            let changes = try view.apply(log.last)
            switch second {
            case 6: #expect(changes == [.fellSilent(Self.a)])
            case 61: #expect(changes == [.expired(Self.a)])
            default: #expect(changes == [], "second \(second)")
            }
            #expect(view.readyHolders.map(\.node) == (second < 6 ? [Self.a, Self.b] : [Self.b]))
            #expect(view.silentHolders.map(\.node) == (6..<61 ~= second ? [Self.a] : []))
            #expect(view.placementMembers.map(\.id) == (second < 61 ? [Self.a, Self.b] : [Self.b]))
        }
        #expect(view.generation == Generation(log.last.offset.rawValue))
    }

    @Test func whoSpeaksAgainIsAskedAgain() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeNode("a"))
        for _ in 0..<8 { log.append(makeNode("b"), afterMs: 1_000) }
        for entry in log.entries { try view.apply(entry) }
        #expect(view.member(Self.a)?.isSilent == true)
        log.append(makeNode("a"))
        #expect(try view.apply(log.last) == [.spokeAgain(Self.a)])
        #expect(view.generation == Generation(1))
    }

    /// However many they are: the first record of each after the outage tells of the same hour.
    @Test(arguments: [3, 100]) func anOutageOfTheTopicAgesNobody(members: Int) throws {
        var log = ClusterLog()
        var view = MembershipView()
        for pauseMs in [0, 3_600_000, 1_000, 1_000] as [Int64] {
            for number in 0..<members {
                log.append(makeNode("n\(number)"), afterMs: number == 0 ? pauseMs : 1)
                try view.apply(log.last)
                #expect(view.members.allSatisfy { !$0.isSilent })
            }
        }
        #expect(view.members.count == members && view.generation == Generation(Int64(members - 1)))
    }

    @Test(arguments: [-3_600_000, 3_600_000] as [Int64])
    func aWrongClockDeclaresNobodySilent(skewMs: Int64) throws {
        var log = ClusterLog()
        var view = MembershipView()
        for _ in 0..<100 {
            log.append(makeNode("a"), afterMs: 500)
            log.append(makeNode("b"), afterMs: 500, skewMs: skewMs)
        }
        for entry in log.entries { try view.apply(entry) }
        #expect(view.members.allSatisfy { !$0.isSilent })
        // And the clock does not stand when the one with the wrong clock has gone.
        for _ in 0..<10 { log.append(makeNode("a"), afterMs: 1_000) }
        for entry in log.entries.suffix(10) { try view.apply(entry) }
        #expect(view.member(Self.b)?.isSilent == true)
    }

    @Test func refusals() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeNode("a", life: 5))
        try view.apply(log.last)
        let before = view
        func refused(_ error: HeartbeatError, _ entry: ClusterLog.Entry) {
            #expect(throws: error) { try view.apply(entry) }
            #expect(view.members == before.members && view.generation == before.generation)
        }
        refused(.readBefore, log.last)
        log.append(makeNode("a", life: 4))
        refused(.formerLife, log.last)
        log.append(Self.b, makeNode("a", life: 6).encode())
        refused(.wrongKey, log.last)
        log.append(Self.b, [9])
        refused(.unknownVersion(9), log.last)
        log.append(Self.b, [])
        refused(.malformed(field: "version"), log.last)
        log.append(makeNode("a"))
        var noKey = log.last
        noKey.key = []
        refused(.malformedKey, noKey)
    }

    @Test func membersAreBounded() throws {
        var log = ClusterLog()
        var view = MembershipView()
        for number in 0..<Limits.membersMax { log.append(makeNode("n\(number)")) }
        for entry in log.entries { try view.apply(entry) }
        log.append(makeNode("one-more"))
        #expect(throws: HeartbeatError.tooManyMembers) { try view.apply(log.last) }
        log.append(makeNode("n3"))
        try view.apply(log.last)
        #expect(view.members.count == Limits.membersMax)
    }

    @Test func aGenerationFromTheFutureIsNotTakenOver() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeRouter("r", seen: 4_000))
        log.append(makeRouter("r", seen: 4_000))
        for entry in log.entries { try view.apply(entry) }
        #expect(view.generation == Generation(0))
    }

    /// Compaction keeps the last record of one long gone; the next live one's clock tells how long.
    @Test func inACompactedLogTheDeadAreGoneAtOnce() throws {
        var log = ClusterLog()
        log.append(makeNode("a"))
        var live = makeNode("b")
        live.clockMs = 60_001
        live.generationSeen = Generation(0)
        log.append(live, afterMs: 7 * 86_400_000)
        var view = MembershipView()
        #expect(try view.apply(log.entries[0]) == [.joined(Self.a)])
        #expect(try view.apply(log.entries[1]) == [.joined(Self.b), .expired(Self.a)])
    }

    @Test func aLateReaderTakesTheGenerationOver() throws {
        var log = ClusterLog()
        for _ in 0..<9 { log.append(makeNode("a")) }
        log.append(makeRouter("r", seen: 8))
        log.append(makeRouter("r", seen: 9))
        var view = MembershipView()
        for entry in log.entries.suffix(1) { try view.apply(entry) }
        #expect(view.generation == Generation(10))
        var early = MembershipView()
        for entry in log.entries { try early.apply(entry) }
        #expect(early.generation == Generation(9))
        log.append(makeRouter("r", seen: 10))
        try early.apply(log.last)
        #expect(early.generation == Generation(10))
    }

    @Test func disagreeingConfigurationsAreNamed() throws {
        var log = ClusterLog()
        var view = MembershipView()
        log.append(makeNode("a"))
        try view.apply(log.last)
        #expect(view.members(disagreeingWith: configuration12).isEmpty)
        let others = [
            ClusterConfiguration(partitions: 24, replicas: .count(2), topicNames: ["events"]),
            ClusterConfiguration(partitions: 12, replicas: .all, topicNames: ["events"]),
            ClusterConfiguration(partitions: 12, replicas: .count(2), topicNames: ["matches"]),
        ]
        for other in others { #expect(view.members(disagreeingWith: other).map(\.heartbeat.id) == [Self.a]) }
    }
}

struct IdentityTests {
    @Test func oneIDOneProcess() throws {
        var log = ClusterLog()
        var view = MembershipView()
        let a = makeID("a")
        #expect(view.incarnation(starting: a, nowMs: 100, number: 1) == Incarnation(startedMs: 100, number: 1))
        log.append(makeNode("a", life: 100))
        let former = Incarnation(startedMs: 100, number: 7)
        try view.apply(log.last)
        let mine = view.incarnation(starting: a, nowMs: 50, number: 1)
        #expect(mine.isYounger(than: former))
        #expect(view.verdict(onStarting: a, mine, logEnd: Offset(1)) == .wait(former))
        log.append(makeNode("a", life: 100))
        try view.apply(log.last)
        #expect(view.verdict(onStarting: a, mine, logEnd: Offset(1)) == .taken(former))
        log.append(makeNode("a", life: 101))
        try view.apply(log.last)
        let young = Incarnation(startedMs: 101, number: 7)
        #expect(view.verdict(onRunning: a, former) == .taken(young))
        #expect(view.verdict(onRunning: a, young) == .free)
        // Two that start at once: the older one's own record is refused, so it never reads itself, and steps down.
        #expect(view.verdict(onRunning: a, Incarnation(startedMs: 102, number: 7)) == .free)
        log.append(makeNode("a", life: 101).farewell)
        try view.apply(log.last)
        #expect(view.verdict(onStarting: a, mine, logEnd: Offset(9)) == .free)
    }
}
