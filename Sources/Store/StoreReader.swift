// How one thread reads the store. Everything a reader finds is valid inside `read` and nowhere else.

public import Model
import Reclamation
import Synchronization

/// One reading thread's way in. Make it once per thread; use it on that thread alone. Not Sendable.
public final class StoreReader {
    public let store: Store
    private let slot: ReaderSlot
    private var started: GlobalPosition
    private var startedVersion: UInt64 = 0
    private var applied: GlobalPosition
    private var appliedVersion: UInt64 = 0

    public init(_ store: Store) {
        self.store = store
        slot = store.domain.register()
        started = GlobalPosition(partitionCounts: store.globals.partitionCounts)
        applied = started
    }

    /// Runs `body` under a guard. It must not wait, suspend or write to a socket, and must not call `read` again.
    @inline(__always)
    public func read<Result>(_ body: (borrowing StoreView) -> Result) -> Result {
        store.domain.read(slot) { _ in body(StoreView(store: store)) }
    }

    /// As `read`, for tests that hold a reader on purpose.
    public func hold() { store.domain.pin(slot) }
    public func letGo() { store.domain.unpin(slot) }

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

    public func applied(_ partition: PartitionID) -> Offset {
        Offset(unsafe store.partitions[Int(partition.rawValue)].applied.load(ordering: .acquiring))
    }

    public func started(_ partition: PartitionID) -> Offset {
        Offset(unsafe store.partitions[Int(partition.rawValue)].started.load(ordering: .acquiring))
    }

    /// The partitions of the events topic that may be read. What was ready when a guard began stays whole under it.
    public var readyPartitions: PartitionSet { store.readyPartitions.load() }

    public var areGlobalsReady: Bool { store.globals.isReady.load(ordering: .acquiring) }
}

/// What can be found under a guard.
public struct StoreView: ~Copyable {
    private let store: Store

    init(store: Store) { self.store = store }

    @inline(__always)
    public func event(_ id: ID, in partition: PartitionID) -> (slot: UInt32, record: EventRecord)? {
        guard let slot = store.findEvent(id, in: partition), let record = unsafe store.event(slot) else { return nil }
        return unsafe (slot, record)
    }

    /// Calls `body` with the events that are there, in the order of `ids`. `partition` says where an id belongs; nil
    /// leaves it out. Memory is asked for as many ids at once as it can look for at once: several times as fast as one
    /// after the other.
    public func forEachEvent(
        of ids: [ID], in partition: (ID) -> PartitionID?, _ body: (_ slot: UInt32, EventRecord) -> Void
    ) {
        var start = 0
        while start < ids.count {
            let end = unsafe min(start + EventBatch.idsMax, ids.count)
            var batch = unsafe EventBatch()
            for index in start..<end { unsafe batch.add(ids[index], partition(ids[index]), store) }
            unsafe batch.loadSlots(store)
            unsafe batch.loadRecords(store)
            for index in start..<end {
                guard let found = unsafe batch.found(index - start, ids[index], self) else { continue }
                unsafe body(found.slot, found.record)
            }
            start = end
        }
    }

    /// Rises whenever a key is given up. While it stands, one key is one slot.
    @inline(__always)
    public var removals: UInt64 { store.removalCount }

    @inline(__always)
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
