// Who is in the cluster, as told by the control topic. Every node and router reads the topic in order and feeds each
// record to a view of its own; nobody else writes one. A value without clock, so what it says is a function of the
// records it was given: two readers of the same records agree in everything.
//
// The log's clock. A member is silent, and later gone, when others have written for so long that it should have
// written too. So age is measured by a clock that only records advance: a member's record moves it on by the time that
// passed, by that member's own timestamps, since its record before, and by at most `stepMaxMs` from what it showed then.
// From that follow:
// - clocks of different machines are never compared, so a wrong one declares nobody dead;
// - while Kafka is away the clock stands, and when it is back no member looks old because of it;
// - a member that alone is left still moves the clock, and so finds the others gone.
//
// Generation: the offset of the last record that changed the topology. A member joining, leaving, restarting, or
// changing its weight, zone, addresses, kind or configuration, or beginning to drain is a change, and so is the record
// whose clock made a member's grace end.
//
// Readers that start at different points. Every heartbeat carries its writer's clock and generation, and a view takes
// the larger of its own and the carried one (which changes nothing for a reader of everything: nobody has seen more
// than it has). A reader that starts late sees each live member within a heartbeat, and by then its clock is theirs.
// Its generation is at first that of the last member it met; it writes that in its own heartbeat, all others take
// it over, and so all agree once every live member has written again. A generation taken over this way stands for
// the same topology, and whoever has it has read the log up to it. What a late reader can miss is a silent member
// within its grace: so start at or before the oldest record that is younger than the grace, or at the log's start.
// A log that was made anew (its end fell) needs a new view.
//
// Leaving. A member's last heartbeat says that it is gone, and names its life; the tombstone behind it only lets
// compaction forget the key. A tombstone names no life: one that arrives late would take the next life's place away.

public import Model
public import Placement

public struct MembershipTimeouts: Sendable, Hashable {
    /// A member this old is left by requests.
    public var silentMs: Int64 = 5_000
    /// A member this old is left by placement.
    public var graceMs: Int64 = 60_000
    /// The most by which one record moves the clock: two heartbeats.
    public var stepMaxMs: Int64 = 2_000

    public init() {}
}

/// What a record changed. Silence and its end leave the generation as it is.
public enum MembershipChange: Hashable, Sendable {
    case joined(ID)
    /// It said so.
    case left(ID)
    /// Its grace is over.
    case expired(ID)
    /// A new life under a known id.
    case restarted(ID)
    /// Weight, zone, address, kind, configuration, or whether it drains.
    case altered(ID)
    case fellSilent(ID)
    case spokeAgain(ID)
    /// Another state or other ready partitions: covers are to be planned anew.
    case readiness(ID)
}

public struct Member: Sendable, Hashable {
    public var heartbeat: Heartbeat
    /// Of its last record.
    public var offset: Offset
    /// Kafka's timestamp of its last record.
    public var timestampMs: Int64
    /// The log's clock when its last record was read.
    public var readAtMs: Int64
    public var isSilent: Bool
    /// The log's clock when this life became a member, or spoke again after silence.
    public var sinceMs: Int64
    /// Of the record that last changed what it may be asked for: whoever has read it knows.
    public var changedAt: Offset
}

public struct MembershipView: Sendable, Equatable {
    public let timeouts: MembershipTimeouts
    public private(set) var generation = Generation.none
    /// The log's clock; only differences mean something.
    public private(set) var clockMs: Int64 = 0
    /// The next offset to read.
    public private(set) var position: Offset?
    private var byID: [ID: Member] = [:]

    public init(timeouts: MembershipTimeouts = MembershipTimeouts()) { self.timeouts = timeouts }

    /// As it was when it was kept.
    init(
        timeouts: MembershipTimeouts, generation: Generation, clockMs: Int64, position: Offset?, members: [Member]
    ) {
        self.timeouts = timeouts
        self.generation = generation
        self.clockMs = clockMs
        self.position = position
        for member in members { byID[member.heartbeat.id] = member }
    }

    /// Takes one record of the control topic in and says what it changed, in a fixed order: what the record says of
    /// its member, then what its time did to others, by id. A refused record changes nothing.
    public mutating func apply(
        offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?
    ) throws(HeartbeatError) -> [MembershipChange] {
        if let position, offset < position { throw .readBefore }
        position = Offset(offset.rawValue + 1)
        let keyBytes = key ?? []
        guard let id = ID(keyBytes.span) else { throw .malformedKey }
        guard let value else { return [] }
        let heartbeat = try Heartbeat.decode(value)
        guard heartbeat.id == id else { throw .wrongKey }
        let known = byID[id]
        if let known, known.heartbeat.incarnation.isYounger(than: heartbeat.incarnation) { throw .formerLife }
        if heartbeat.state == .gone { return leave(id, offset: offset) }
        if known == nil, byID.count >= Limits.membersMax { throw .tooManyMembers }

        advanceClock(known: known, timestampMs: timestampMs, carriedMs: heartbeat.clockMs)
        let isNewLife = known?.heartbeat.incarnation != heartbeat.incarnation
        byID[id] = Member(
            heartbeat: heartbeat, offset: offset, timestampMs: timestampMs, readAtMs: clockMs, isSilent: false,
            sinceMs: known.flatMap { $0.isSilent || isNewLife ? nil : $0.sinceMs } ?? clockMs,
            changedAt: known?.changedAt ?? offset)
        // Nobody can have seen a generation above its own record; such a one is a mistake and not taken over.
        if heartbeat.generationSeen.rawValue < offset.rawValue {
            generation = max(generation, heartbeat.generationSeen)
        }
        let own = changes(of: heartbeat, known: known)
        if !own.isEmpty { byID[id]?.changedAt = offset }
        let changes = own + agedMembers()
        if changes.contains(where: \.isTopology) { generation = Generation(offset.rawValue) }
        return changes
    }

    // MARK: - What follows from it

    /// In rising order of ids.
    public var members: [Member] { byID.values.sorted { $0.heartbeat.id < $1.heartbeat.id } }

    public func member(_ id: ID) -> Member? { byID[id] }

    /// The nodes to place partitions on: silent ones within their grace too; draining ones only where there is no
    /// other, so that a whole cluster going down hands nothing over.
    public var placementMembers: [PlacementMember] {
        let nodes = members.map(\.heartbeat).filter(\.kind.isNode)
        let staying = nodes.filter { $0.state != .draining }
        return (staying.isEmpty ? nodes : staying).map { PlacementMember(id: $0.id, weight: $0.weight, zone: $0.zone) }
    }

    /// Who may be asked for what: what live nodes that serve or drain report as ready. In rising order of ids.
    public var readyHolders: [ReadyHolder] { holders(areSilent: false) }

    /// What silent nodes last reported as ready, within their grace. A node may be cut off from Kafka alone, or not be heard
    /// yet when Kafka is back: whoever has nobody else asks it.
    public var silentHolders: [ReadyHolder] { holders(areSilent: true) }

    private func holders(areSilent: Bool) -> [ReadyHolder] {
        members.filter { member in
            member.isSilent == areSilent && member.heartbeat.kind.isNode
                && (member.heartbeat.state == .serving || member.heartbeat.state == .draining)
        }.map { ReadyHolder(node: $0.heartbeat.id, partitions: $0.heartbeat.ready) }
    }

    /// The positions that routers go by. Silent ones count for as long as they are members: one that is cut off from
    /// Kafka alone still answers clients, by what it last knew.
    public var routerPositions: [Offset] {
        byID.values.filter(\.heartbeat.kind.isRouter).map(\.heartbeat.positionSeen)
    }

    /// The members that do not agree with `configuration`; a starting node refuses when a live one is among them.
    public func members(disagreeingWith configuration: ClusterConfiguration) -> [Member] {
        members.filter { $0.heartbeat.configuration != configuration }
    }

    // MARK: - Applying

    private mutating func leave(_ id: ID, offset: Offset) -> [MembershipChange] {
        guard byID.removeValue(forKey: id) != nil else { return [] }
        generation = Generation(offset.rawValue)
        return [.left(id)]
    }

    private mutating func advanceClock(known: Member?, timestampMs: Int64, carriedMs: Int64) {
        if let known {
            let (passed, overflow) = timestampMs.subtractingReportingOverflow(known.timestampMs)
            let step = overflow ? 0 : min(max(passed, 0), timeouts.stepMaxMs)
            // From what it showed at the record before, so that the first records of many after an outage move it on by
            // one step together.
            clockMs = max(clockMs, known.readAtMs + step)
        }
        clockMs = max(clockMs, carriedMs)
    }

    private func changes(of heartbeat: Heartbeat, known: Member?) -> [MembershipChange] {
        guard let known else { return [.joined(heartbeat.id)] }
        let former = known.heartbeat
        var changes: [MembershipChange] = []
        if former.incarnation != heartbeat.incarnation {
            changes.append(.restarted(heartbeat.id))
        } else if heartbeat.changesTopology(from: former) {
            changes.append(.altered(heartbeat.id))
        }
        if known.isSilent { changes.append(.spokeAgain(heartbeat.id)) }
        if former.state != heartbeat.state || former.ready != heartbeat.ready {
            changes.append(.readiness(heartbeat.id))
        }
        return changes
    }

    private mutating func agedMembers() -> [MembershipChange] {
        var changes: [MembershipChange] = []
        for member in members {
            let id = member.heartbeat.id
            let age = clockMs - member.readAtMs
            if age > timeouts.graceMs {
                byID[id] = nil
                changes.append(.expired(id))
            } else if age > timeouts.silentMs, !member.isSilent {
                byID[id]?.isSilent = true
                changes.append(.fellSilent(id))
            }
        }
        return changes
    }
}

extension MembershipChange {
    /// Whether it makes a new generation.
    public var isTopology: Bool {
        switch self {
        case .joined, .left, .expired, .restarted, .altered: true
        case .fellSilent, .spokeAgain, .readiness: false
        }
    }
}
