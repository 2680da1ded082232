import Model
import Placement
import Testing

@testable import Membership

struct MemberSessionTests {
    static let a = makeID("a")

    /// A session of `a` that begins to read a log of these heartbeats, and has read `read` of them.
    static func session(_ log: ClusterLog, read: Int, heartbeatMs: Int64 = 1_000) throws -> MemberSession {
        var session = MemberSession(
            id: a, configuration: configuration12, timeouts: MembershipTimeouts(), heartbeatMs: heartbeatMs,
            start: Offset(0), end: Offset(Int64(log.entries.count)))
        for entry in log.entries.prefix(read) { try session.read(entry) }
        return session
    }

    static func log(_ heartbeats: [Heartbeat]) -> ClusterLog {
        var log = ClusterLog()
        for heartbeat in heartbeats { log.append(heartbeat) }
        return log
    }

    static func other(_ heartbeat: Heartbeat) -> Heartbeat {
        var other = heartbeat
        other.configuration = ClusterConfiguration(partitions: 24, replicas: .count(2), topicNames: ["events"])
        return other
    }

    struct Start: Sendable {
        var note: String
        var heartbeats: [Heartbeat]
        var read: Int?
        var action: SessionAction?
    }

    static let starts = [
        Start(
            note: "an empty topic", heartbeats: [],
            action: .joined(Incarnation(startedMs: 9_000, number: 3))),
        Start(note: "the tail is not read to its end", heartbeats: [makeNode("b"), makeNode("c")], read: 1),
        Start(
            note: "a clock behind that of the life before",
            heartbeats: [makeNode("a", life: 20_000), makeNode("a", life: 20_000).farewell],
            action: .joined(Incarnation(startedMs: 9_000, number: 3))),
        Start(note: "a former life that may still live", heartbeats: [makeNode("a", life: 20_000)]),
        Start(
            note: "another configuration", heartbeats: [other(makeNode("b"))],
            action: .refused(.disagrees(member: makeID("b"), theirs: other(makeNode("b")).configuration))),
        Start(
            note: "the own former life had another configuration", heartbeats: [other(makeNode("a")).farewell],
            action: .joined(Incarnation(startedMs: 9_000, number: 3))),
    ]

    @Test(arguments: starts)
    func starting(_ test: Start) throws {
        let log = Self.log(test.heartbeats)
        var session = try Self.session(log, read: test.read ?? log.entries.count)
        let actions = session.turn(nowMs: 100, wallMs: 9_000, number: 3, announces: false)
        #expect(actions == [test.action].compactMap(\.self), "\(test.note)")
    }

    /// The former life says nothing more: after the silent time, by the own clock, the id is free.
    @Test func waitsForAFormerLife() throws {
        let log = Self.log([makeNode("a", life: 20_000)])
        var session = try Self.session(log, read: 1)
        for nowMs in [0, 4_999] as [Int64] {
            #expect(session.turn(nowMs: nowMs, wallMs: 9_000, number: 3, announces: false) == [])
        }
        let mine = Incarnation(startedMs: 20_001, number: 3)
        #expect(session.turn(nowMs: 5_000, wallMs: 9_000, number: 3, announces: false) == [.joined(mine)])
    }

    @Test func refusesWhereTheFormerLifeGoesOn() throws {
        var log = Self.log([makeNode("a", life: 20_000)])
        var session = try Self.session(log, read: 1)
        #expect(session.turn(nowMs: 0, wallMs: 9_000, number: 3, announces: false) == [])
        log.append(makeNode("a", life: 20_000))
        try session.read(log.last)
        #expect(session.turn(nowMs: 10, wallMs: 9_000, number: 3, announces: false) == [.refused(.idTaken)])
        #expect(session.turn(nowMs: 9_999, wallMs: 9_000, number: 3, announces: true) == [])
        #expect(session.leaving == nil)
    }

    @Test func beatsTellsAndStepsDown() throws {
        var log = ClusterLog()
        var session = try Self.session(log, read: 0)
        let mine = Incarnation(startedMs: 9_000, number: 3)
        func turn(_ nowMs: Int64, announces: Bool = false) -> [SessionAction] {
            session.turn(nowMs: nowMs, wallMs: 9_000, number: 3, announces: announces)
        }
        #expect(turn(0) == [.joined(mine)])
        #expect(turn(0) == [.tell, .beat(mine)])
        #expect(turn(999) == [])
        #expect(turn(1_000) == [.tell, .beat(mine)])
        #expect(turn(1_001, announces: true) == [.tell, .beat(mine)])
        log.append(makeNode("b"))
        try session.read(log.last)
        #expect(turn(1_002) == [.tell])
        #expect(session.state().placement.members.map(\.id) == [makeID("b")])
        // The topic was made anew: nothing is told until it is read to its end.
        session.positionLost()
        #expect(turn(2_000) == [.beat(mine)])
        session.reached(end: Offset(0))
        #expect(turn(2_001) == [.tell])
        #expect(session.leaving == mine)
        log.append(makeNode("a", life: 9_001))
        try session.read(log.last)
        #expect(turn(2_002) == [.displaced])
        #expect(turn(9_000, announces: true) == [] && session.leaving == nil)
    }

    /// The topic is made anew while its tail is read: the end of the old one is no measure.
    @Test func aTopicMadeAnewWhileItIsReadIsReadToItsOwnEnd() throws {
        var session = try Self.session(Self.log([makeNode("b"), makeNode("c"), makeNode("d")]), read: 1)
        session.positionLost()
        #expect(session.turn(nowMs: 0, wallMs: 9_000, number: 3, announces: false) == [])
        session.reached(end: Offset(1))
        let mine = Incarnation(startedMs: 9_000, number: 3)
        #expect(session.turn(nowMs: 1, wallMs: 9_000, number: 3, announces: false) == [.joined(mine)])
    }

    struct FormerLife: Sendable {
        var note: String
        /// The life that is known to be over.
        var over: Incarnation?
        /// What the topic says of the id, before the start and behind it.
        var heartbeats: [Heartbeat]
        var late: [Heartbeat] = []
        var action: SessionAction?
    }

    static let mine = SessionAction.joined(Incarnation(startedMs: 20_001, number: 3))
    static let formerLives = [
        FormerLife(
            note: "killed; the record is of that life", over: Incarnation(startedMs: 20_000, number: 7),
            heartbeats: [makeNode("a", life: 20_000)], action: mine),
        FormerLife(
            note: "killed; its last heartbeat arrives after the start", over: Incarnation(startedMs: 20_000, number: 7),
            heartbeats: [makeNode("a", life: 20_000)], late: [makeNode("a", life: 20_000)], action: mine),
        FormerLife(
            note: "another process on another folder has lived since", over: Incarnation(startedMs: 10_000, number: 7),
            heartbeats: [makeNode("a", life: 10_000), makeNode("a", life: 20_000)]),
        FormerLife(
            note: "another process on another folder, seen after the start",
            over: Incarnation(startedMs: 10_000, number: 7), heartbeats: [makeNode("a", life: 10_000)],
            late: [makeNode("a", life: 20_000)], action: .refused(.idTaken)),
        FormerLife(
            note: "began in the same millisecond, but is another", over: Incarnation(startedMs: 20_000, number: 8),
            heartbeats: [makeNode("a", life: 20_000)]),
        FormerLife(note: "nothing is known", over: nil, heartbeats: [makeNode("a", life: 20_000)]),
        FormerLife(
            note: "killed before its first heartbeat", over: Incarnation(startedMs: 20_001, number: 7),
            heartbeats: [makeNode("a", life: 20_000)]),
    ]

    /// What is known to be over is not waited for; everything else is.
    @Test(arguments: formerLives)
    func aFormerLifeThatIsOver(_ test: FormerLife) throws {
        var log = Self.log(test.heartbeats)
        var session = MemberSession(
            id: Self.a, over: test.over, configuration: configuration12, timeouts: MembershipTimeouts(),
            heartbeatMs: 1_000, start: Offset(0), end: Offset(Int64(log.entries.count)))
        for heartbeat in test.late { log.append(heartbeat) }
        for entry in log.entries { try session.read(entry) }
        let actions = session.turn(nowMs: 0, wallMs: 9_000, number: 3, announces: false)
        #expect(actions == [test.action].compactMap(\.self), "\(test.note)")
    }

    /// A life that begins has been heard for no time at all, though its id was.
    @Test func aNewLifeIsHeardFromItsBeginning() throws {
        var view = MembershipView()
        var log = ClusterLog()
        for life in [100, 100, 100, 200] as [Int64] {
            log.append(makeNode("a", life: life), afterMs: 1_000)
            try view.apply(log.last)
        }
        let member = try #require(view.member(Self.a))
        #expect(member.sinceMs == view.clockMs && view.clockMs > 0)
    }

    /// Two start at once: the record of the older one comes last and is refused, so it never reads itself.
    @Test func theOlderOfTwoStepsDownThoughItNeverReadItself() throws {
        var log = ClusterLog()
        var session = try Self.session(log, read: 0)
        let mine = Incarnation(startedMs: 9_000, number: 3)
        #expect(session.turn(nowMs: 0, wallMs: 9_000, number: 3, announces: false) == [.joined(mine)])
        log.append(makeNode("a", life: 9_001))
        try session.read(log.last)
        #expect(session.turn(nowMs: 1, wallMs: 9_000, number: 3, announces: false) == [.displaced])
    }
}

extension MemberSession {
    fileprivate mutating func read(_ entry: ClusterLog.Entry) throws(HeartbeatError) {
        _ = try read(offset: entry.offset, timestampMs: entry.timestampMs, key: entry.key, value: entry.value)
    }
}
