// The life of the partitions a node reads, decided without touching Kafka or the store.
//
//   idle ──hold──► waiting ──bounds──────────────────────────────► loading ──target reached──► ready
//    ▲                │ └──with a snapshot──► checking ──► restoring ──┘ │                       │
//    └──── dropped ── dropping ◄────────────────────────────────┴────────┴────────release────────┘
//
// The global topics are held for good and loaded first; partitions of the events topic wait for them, so that a first
// load renders each event once, with its participants' names.

public import Model

/// Decides what happens with each partition. A value without time or IO of its own.
public struct PartitionLife: Sendable {
    public enum State: Sendable, Equatable {
        /// Not read. The initial state; to `waiting`.
        case idle
        /// Wanted; the bounds of its log are not known yet, or it waits for the global topics. To `loading`, `idle`.
        case waiting
        /// A snapshot is to be used; the message that it was written behind is looked up in the log. To `restoring`,
        /// `waiting`, `idle`.
        case checking(LogBounds)
        /// The snapshot's records come into the store. To `loading`, `waiting`, `dropping`.
        case restoring(LogBounds)
        /// Read, up to `target`, the log's end when reading began. To `ready`, `dropping`.
        case loading(target: Offset)
        /// Read past its target. To `dropping`.
        case ready
        /// Given up, or its position was lost; the store gives its memory back. To `idle`, or to `waiting` where it is wanted again meanwhile.
        case dropping(wantedAgain: Bool)
    }

    /// What the shell does about an event.
    public enum Action: Sendable, Equatable {
        case start(TopicPartition, at: Offset)
        case stop(TopicPartition)
        case markReady(PartitionID)
        case markGlobalsReady
        case drop(PartitionID)
    }

    /// By model, then by partition.
    private var states: [[State]]
    private var globalsToReach: Int
    /// Events partitions whose memory is being given back.
    public private(set) var droppingCount = 0

    /// `partitionCounts` in the order of `ModelKind`. Every global partition is wanted from the start.
    public init(partitionCounts: [Int]) {
        states = partitionCounts.enumerated().map { kind, count in
            Array(repeating: kind == 0 ? .idle : .waiting, count: count)
        }
        globalsToReach = partitionCounts[1...].reduce(0, +)
    }

    public private(set) subscript(_ partition: TopicPartition) -> State {
        get { states[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] }
        set { states[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] = newValue }
    }

    public var areGlobalsReady: Bool { globalsToReach == 0 }

    /// The partitions whose log bounds the shell is to find out, global ones first.
    public var waiting: [TopicPartition] {
        let kinds = areGlobalsReady ? [.event] : GlobalPosition.kinds
        return kinds.flatMap { kind in partitions(of: kind).filter { self[$0] == .waiting } }
    }

    /// The events partitions that are read or about to be.
    public var held: [PartitionID] { events { if case .dropping = $0 { false } else { true } } }

    /// The events partitions that are held, or will be again once their memory is given back.
    public var wanted: [PartitionID] { events { $0 != .dropping(wantedAgain: false) } }

    private func events(_ isMeant: (State) -> Bool) -> [PartitionID] {
        partitions(of: .event).filter { self[$0] != .idle && isMeant(self[$0]) }.map(\.partition)
    }

    /// The partitions that are read, of all topics.
    var read: [TopicPartition] {
        ModelKind.allCases.flatMap { kind in
            partitions(of: kind).filter { partition in
                switch self[partition] {
                case .loading, .ready: true
                case .idle, .waiting, .checking, .restoring, .dropping: false
                }
            }
        }
    }

    /// Whether an events partition is still being read for the first time.
    var isLoadingEvents: Bool {
        states[Int(ModelKind.event.rawValue)].contains { if case .loading = $0 { true } else { false } }
    }

    /// The events partitions whose memory is being given back.
    public var dropping: [PartitionID] {
        guard droppingCount > 0 else { return [] }
        return partitions(of: .event).filter { if case .dropping = self[$0] { true } else { false } }.map(\.partition)
    }

    private func partitions(of kind: ModelKind) -> [TopicPartition] {
        states[Int(kind.rawValue)].indices.map { TopicPartition(kind, PartitionID($0)) }
    }

    // MARK: - Events

    /// These partitions of the events topic are to be held, and no others.
    public mutating func hold(_ wanted: PartitionSet) -> [Action] {
        var actions: [Action] = []
        for partition in partitions(of: .event) {
            let isWanted = wanted.contains(partition.partition)
            switch self[partition] {
            case .idle: if isWanted { self[partition] = .waiting }
            case .waiting: if !isWanted { self[partition] = .idle }
            case .checking:
                guard !isWanted else { break }
                self[partition] = .idle
                actions.append(.stop(partition))
            case .restoring: if !isWanted { actions += drop(partition, wantedAgain: false) }
            case .dropping: self[partition] = .dropping(wantedAgain: isWanted)
            case .loading, .ready:
                if !isWanted { actions += [.stop(partition)] + drop(partition, wantedAgain: false) }
            }
        }
        return actions
    }

    /// The bounds of a waiting partition's log are known: reading begins at its start.
    public mutating func found(_ partition: TopicPartition, _ bounds: LogBounds) -> [Action] {
        guard self[partition] == .waiting else { return [] }
        self[partition] = .loading(target: bounds.end)
        return [.start(partition, at: bounds.start)] + reached(partition, bounds.start)
    }

    private mutating func drop(_ partition: TopicPartition, wantedAgain: Bool) -> [Action] {
        self[partition] = .dropping(wantedAgain: wantedAgain)
        droppingCount += 1
        return [.drop(partition.partition)]
    }

    /// As `found`, with a snapshot to use. `message`: the offset of the message that it was written behind; nil where
    /// there is none to look up.
    public mutating func foundSnapshot(
        _ partition: TopicPartition, _ bounds: LogBounds, message: Offset?
    ) -> [Action] {
        guard self[partition] == .waiting else { return [] }
        guard let message else {
            self[partition] = .restoring(bounds)
            return []
        }
        self[partition] = .checking(bounds)
        return [.start(partition, at: message)]
    }

    /// The log has the snapshot's message, or none in its place.
    public mutating func checked(_ partition: TopicPartition) -> [Action] {
        guard case .checking(let bounds) = self[partition] else { return [] }
        self[partition] = .restoring(bounds)
        return [.stop(partition)]
    }

    /// The snapshot is in the store: reading goes on behind it.
    public mutating func restored(_ partition: TopicPartition, at position: Offset) -> [Action] {
        guard case .restoring(let bounds) = self[partition] else { return [] }
        self[partition] = .loading(target: bounds.end)
        return [.start(partition, at: position)] + reached(partition, position)
    }

    /// The snapshot is not to be used, and nothing of it is in the store: whoever knows of another one, or that the log is
    /// to be read from its start, is asked again, with the log's bounds of then.
    public mutating func refused(_ partition: TopicPartition) -> [Action] {
        switch self[partition] {
        case .checking:
            self[partition] = .waiting
            return [.stop(partition)]
        case .restoring:
            self[partition] = .waiting
            return []
        case .idle, .waiting, .loading, .ready, .dropping: return []
        }
    }

    /// The load of a snapshot failed half-way: what it put into the store goes. A global topic's cannot: it is read over.
    public mutating func failed(_ partition: TopicPartition) -> [Action] {
        guard case .restoring = self[partition] else { return [] }
        return partition.kind == .event ? drop(partition, wantedAgain: true) : refused(partition)
    }

    /// Everything below `position` is applied.
    public mutating func reached(_ partition: TopicPartition, _ position: Offset) -> [Action] {
        guard case .loading(let target) = self[partition], position >= target else { return [] }
        self[partition] = .ready
        guard partition.kind != .event else { return [.markReady(partition.partition)] }
        globalsToReach -= 1
        return areGlobalsReady ? [.markGlobalsReady] : []
    }

    /// The position was no longer in the log: what was deleted meanwhile may never be told. A partition of the events
    /// topic is dropped and read anew. A global one that is being loaded begins again, with the log's end of now; one
    /// that was ready cannot be dropped: it goes on, from the log's start, with what it has.
    public mutating func lost(_ partition: TopicPartition) -> [Action] {
        switch self[partition] {
        case .idle, .waiting, .restoring, .dropping: return []
        case .checking: return refused(partition)
        case .loading where partition.kind != .event:
            self[partition] = .waiting
            return [.stop(partition)]
        case .loading, .ready:
            guard partition.kind == .event else { return [] }
            return [.stop(partition)] + drop(partition, wantedAgain: true)
        }
    }

    /// The store has given the partition's memory back.
    public mutating func dropped(_ partition: PartitionID) {
        let key = TopicPartition(.event, partition)
        guard case .dropping(let wantedAgain) = self[key] else { return }
        self[key] = wantedAgain ? .waiting : .idle
        droppingCount -= 1
    }
}
