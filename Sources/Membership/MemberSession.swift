// One process's part in the cluster, from its first look at the control topic on. The shell (`Cluster`) reads and
// writes the topic; what to do with it is decided here.
//
//   reading ──tail read──► identifying ──id free──► member ──a younger life──► ended
//      └── others run with other settings ──┴── id taken ──────────────────────► ended

public import Model
public import Placement

/// What the cluster looks like, as of one record of the control topic.
public struct ClusterState: Sendable {
    public var view: MembershipView
    /// Of the view's generation.
    public var placement: Placement

    public init(view: MembershipView, placement: Placement) {
        self.view = view
        self.placement = placement
    }
}

/// Why a process may not join.
public enum JoinRefusal: Sendable, Equatable {
    case idTaken
    case disagrees(member: ID, theirs: ClusterConfiguration)
}

/// What the shell is to do, in this order.
public enum SessionAction: Sendable, Equatable {
    case joined(Incarnation)
    case refused(JoinRefusal)
    /// Another process lives under this id and is the younger: this one must stop, and write nothing more.
    case displaced
    /// Tell the owner what the cluster looks like.
    case tell
    /// Write a heartbeat.
    case beat(Incarnation)
}

public struct MemberSession: Sendable {
    private enum Phase: Sendable {
        /// To `identifying`, or `ended` where a live member runs with other settings.
        case reading(start: Offset, end: Offset)
        /// To `member` when the id is free, or the former life is over or was silent for long enough; else to `ended`.
        case identifying(Incarnation, logEnd: Offset, deadlineMs: Int64)
        /// To `ended` when a younger life appears.
        case member(Incarnation)
        case ended
    }

    private let id: ID
    /// A former life that is known to have ended, whatever the topic says of it.
    private let over: Incarnation?
    private let configuration: ClusterConfiguration
    private let heartbeatMs: Int64
    private var phase: Phase
    public private(set) var view: MembershipView
    private var placement: Placement?
    private var placedGeneration = Generation.none
    /// False from a lost position until the topic was read to its end again: half a view would look like a cluster of
    /// few.
    private var isComplete = true
    private var hasChanged = false
    private var reachedEnd: Offset?
    private var nextBeatMs: Int64 = 0

    /// `over`: a former life that is known to have ended. `start`: where reading begins; `end`: the log's end at that time.
    public init(
        id: ID, over: Incarnation? = nil, configuration: ClusterConfiguration, timeouts: MembershipTimeouts,
        heartbeatMs: Int64, start: Offset, end: Offset
    ) {
        self.id = id
        self.over = over
        self.configuration = configuration
        self.heartbeatMs = heartbeatMs
        view = MembershipView(timeouts: timeouts)
        phase = .reading(start: start, end: end)
    }

    /// Stands for the end of a log whose length nobody has asked for: reading is done when any end is reached.
    private static let anyEnd = Offset(.max)

    private func isRead(to end: Offset) -> Bool { reachedEnd.map { end == Self.anyEnd || $0 >= end } ?? false }

    // MARK: - What was read

    public mutating func read(
        offset: Offset, timestampMs: Int64, key: [UInt8]?, value: [UInt8]?
    ) throws(HeartbeatError) -> [MembershipChange] {
        let changes = try view.apply(offset: offset, timestampMs: timestampMs, key: key, value: value)
        if !changes.isEmpty { hasChanged = true }
        return changes
    }

    public mutating func reached(end: Offset) {
        reachedEnd = end
        if !isComplete { hasChanged = true }
        isComplete = true
    }

    /// The topic was made anew: what was read of the old one is worth nothing.
    public mutating func positionLost() {
        view = MembershipView(timeouts: view.timeouts)
        placedGeneration = .none
        reachedEnd = nil
        isComplete = false
        // The end that was asked for is of the old one.
        if case .reading = phase { phase = .reading(start: Offset(0), end: Self.anyEnd) }
    }

    // MARK: - What to do

    /// One turn of the shell's loop. `nowMs`: a clock that never goes back; `wallMs`: the machine's; `number`: random;
    /// `announces`: something that others wait for has changed.
    public mutating func turn(nowMs: Int64, wallMs: Int64, number: UInt64, announces: Bool) -> [SessionAction] {
        if case .reading(let start, let end) = phase {
            guard (view.position ?? start) >= end || isRead(to: end) else { return [] }
            let others = view.members(disagreeingWith: configuration)
            if let other = others.first(where: { !$0.isSilent && $0.heartbeat.id != id }) {
                phase = .ended
                return [.refused(.disagrees(member: other.heartbeat.id, theirs: other.heartbeat.configuration))]
            }
            let incarnation = view.incarnation(starting: id, nowMs: wallMs, number: number)
            phase = .identifying(
                incarnation, logEnd: min(end, reachedEnd ?? end), deadlineMs: nowMs + view.timeouts.silentMs)
        }
        switch phase {
        case .reading, .ended: return []
        case .identifying(let incarnation, let logEnd, let deadlineMs):
            switch view.verdict(onStarting: id, incarnation, logEnd: logEnd, over: over) {
            case .taken:
                phase = .ended
                return [.refused(.idTaken)]
            case .wait where nowMs < deadlineMs: return []
            case .wait, .free:
                phase = .member(incarnation)
                nextBeatMs = nowMs
                return [.joined(incarnation)]
            }
        case .member(let incarnation): return memberTurn(incarnation, nowMs: nowMs, announces: announces)
        }
    }

    private mutating func memberTurn(_ incarnation: Incarnation, nowMs: Int64, announces: Bool) -> [SessionAction] {
        guard view.verdict(onRunning: id, incarnation) == .free else {
            phase = .ended
            return [.displaced]
        }
        let isDue = nowMs >= nextBeatMs
        if isDue { nextBeatMs = nowMs + heartbeatMs }
        var actions: [SessionAction] = []
        if isComplete, isDue || hasChanged || announces {
            hasChanged = false
            actions.append(.tell)
        }
        if isDue || announces { actions.append(.beat(incarnation)) }
        return actions
    }

    /// The cluster now. The placement is computed once a generation.
    public mutating func state() -> ClusterState {
        if let placement, placedGeneration == view.generation { return ClusterState(view: view, placement: placement) }
        let placement = Placement.place(
            members: view.placementMembers, partitions: configuration.partitions, replicas: configuration.replicas)
        self.placement = placement
        placedGeneration = view.generation
        return ClusterState(view: view, placement: placement)
    }

    /// The incarnation to say goodbye with; nil where this process is no member, and must write nothing.
    public var leaving: Incarnation? {
        guard case .member(let incarnation) = phase else { return nil }
        return incarnation
    }
}
