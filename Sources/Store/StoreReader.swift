// How one thread reads the store. Everything a reader finds is valid inside `read` and nowhere else.

public import Model
public import Reclamation
import Synchronization

/// One reading thread's way in. Make it once per thread; use it on that thread alone. Not Sendable.
public final class StoreReader {
    public let store: Store
    @usableFromInline let domain: EpochDomain
    @usableFromInline let slot: ReaderSlot
    /// Made once, so that a read does not count a reference, which all readers would count in one place.
    @usableFromInline let view: StoreView
    private var started: GlobalPosition
    private var startedVersion: UInt64 = 0
    private var applied: GlobalPosition
    private var appliedVersion: UInt64 = 0

    public init(_ store: Store) {
        self.store = store
        domain = store.domain
        slot = domain.register()
        view = StoreView(store: store)
        started = GlobalPosition(partitionCounts: store.globals.partitionCounts)
        applied = started
    }

    /// Runs `body` under a guard. It must not wait, suspend or write to a socket, and must not call `read` again.
    @inlinable
    public func read<Result>(_ body: (borrowing StoreView) -> Result) -> Result {
        domain.pin(slot)
        defer { domain.unpin(slot) }
        return body(view)
    }

    /// As `read`, for tests that hold a reader on purpose.
    public func hold() { domain.pin(slot) }
    public func letGo() { domain.unpin(slot) }

    // MARK: - Positions

    /// The global position that is applied: loaded before reading, it is a lower bound of what is seen.
    public func appliedGlobals() -> GlobalPosition {
        // Acquire pairs with the release in `apply`: at this version the vector is at least that far.
        let version = store.globals.appliedVersion.load(ordering: .acquiring)
        if version != appliedVersion {
            store.globals.loadApplied(into: &applied)
            appliedVersion = version
        }
        return applied
    }

    /// The global position below which everything seen stands, and its version: loaded after reading.
    public func startedGlobals() -> (GlobalPosition, UInt64) {
        let version = store.globals.startedVersion.load(ordering: .acquiring)
        if version != startedVersion {
            store.globals.loadStarted(into: &started)
            startedVersion = version
        }
        return (started, startedVersion)
    }

    /// Rises before anything newer can be seen. Acquire pairs with the release in `StoreWriter.countProgress`.
    public var progress: UInt64 { store.progress.load(ordering: .acquiring) }

    public func applied(_ partition: PartitionID) -> Offset {
        Offset(unsafe store.partitions[Int(partition.rawValue)].applied.load(ordering: .acquiring))
    }

    public func started(_ partition: PartitionID) -> Offset {
        Offset(unsafe store.partitions[Int(partition.rawValue)].started.load(ordering: .acquiring))
    }

    /// As of when these partitions and the global topics are: the earliest of them. To be loaded before reading.
    public func asOf(_ partitions: PartitionSet) -> UInt64 {
        var asOf = store.globals.asOf.load(ordering: .acquiring)
        partitions.forEach { partition in
            asOf = min(asOf, unsafe store.partitions[Int(partition.rawValue)].asOf.load(ordering: .acquiring))
        }
        return asOf
    }

    /// Kafka's timestamp of the newest message applied; 0 before the first.
    public var newestMs: Int64 { store.globals.newestMs.load(ordering: .relaxed) }

    /// The partitions of the events topic that may be read. What was ready when a guard began stays whole under it.
    public var readyPartitions: PartitionSet { store.readyPartitions.load() }

    public var areGlobalsReady: Bool { store.globals.isReady.load(ordering: .acquiring) }
}

/// What can be found under a guard.
public struct StoreView: ~Copyable {
    @usableFromInline let store: Store

    init(store: Store) { self.store = store }

    @inlinable @inline(__always)
    public func event(_ id: ID, in partition: PartitionID) -> (slot: UInt32, record: EventRecord)? {
        unsafe store.event(id, in: partition)
    }

    /// Calls `body` with the events that are there, in the order of `ids`. `partition` says where an id belongs; nil
    /// leaves it out. Memory is asked for as many ids at once as it can look for at once: several times as fast as one
    /// after the other.
    @inlinable
    public func forEachEvent(
        of ids: Span<ID>, in partition: (ID) -> PartitionID?, _ body: (_ slot: UInt32, EventRecord) -> Void
    ) {
        let store = store
        unsafe withUnsafeTemporaryAllocation(of: EventLookup.self, capacity: EventLookup.atOnce) { lookups in
            guard let lookups = lookups.baseAddress else { return }
            var start = 0
            while start < ids.count {
                let count = unsafe min(EventLookup.atOnce, ids.count - start)
                for index in 0..<count {
                    let id = ids[start + index]
                    unsafe (lookups + index).initialize(to: EventLookup(id.hash, partition(id), store))
                }
                for index in 0..<count { unsafe lookups[index].loadSlot(store) }
                for index in 0..<count { unsafe lookups[index].loadRecord(store) }
                for index in 0..<count {
                    guard let found = unsafe lookups[index].found(ids[start + index], store) else { continue }
                    unsafe body(found.slot, found.record)
                }
                start += count
            }
        }
    }

    /// Rises whenever a key is given up. While it stands, one key is one slot.
    @inline(__always)
    public var removals: UInt64 { store.removalCount }

    @inlinable @inline(__always)
    public func event(at slot: UInt32) -> EventRecord? { unsafe store.event(slot) }

    /// A reference, known or only named. For debugging and for `myt`.
    public func reference(_ kind: ModelKind, _ id: ID) -> ReferenceRecord? {
        guard let slot = store[kind].find(id) else { return nil }
        return unsafe store[kind].record(slot)
    }

    /// The slot under which events name the participant.
    @inline(__always)
    public func participant(_ id: ID) -> UInt32? { store[.participant].find(id) }

    /// The header of the stage of an event found under this guard. It is there: the event's record held the slot in
    /// use when it was loaded, and a slot given up since keeps its record until this guard ends.
    @inline(__always)
    public func stage(at slot: UInt32) -> ReferenceRecord {
        guard let stage = unsafe store[.stage].record(slot) else { preconditionFailure("an event without its stage") }
        return unsafe stage
    }

    /// The team's events whose start is above `start`, in the order of the list.
    @inline(__always)
    public func events(of participant: UInt32, after start: Int64) -> TeamCursor {
        unsafe TeamCursor(list: store.teamList(participant), after: start)
    }
}

/// Walks a team's list. Valid under the guard it was made under.
@unsafe
public struct TeamCursor {
    private var list: TeamList?
    private var chunk = 0
    private var index = 0

    init(list: TeamList?, after start: Int64) {
        unsafe self.list = list
        if let list = unsafe list {
            let position = unsafe list.firstAfter(start: start)
            unsafe (chunk, index) = (position.chunk, position.index)
        }
    }

    /// The next entry: the start it was filed under, and the event's slot.
    @inline(__always)
    public mutating func next() -> (start: Int64, slot: UInt32)? {
        guard let list = unsafe list else { return nil }
        while unsafe chunk < list.chunkCount {
            let entries = unsafe list.chunk(chunk)
            if unsafe index < entries.count {
                let entry = unsafe entries[index]
                unsafe index += 1
                return (entry.start, entry.slot)
            }
            unsafe chunk += 1
            unsafe index = 0
        }
        return nil
    }
}
