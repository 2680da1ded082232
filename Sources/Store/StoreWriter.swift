// The one thread that changes the store. It belongs to whoever made it and is not Sendable.
//
//   StoreWriter             what it owns, slots, retiring
//   StoreWriter+Events      an event comes, changes, goes
//   StoreWriter+Expect      what the next events will look for
//   StoreWriter+Teams       teams' lists
//   StoreWriter+References  the other five models
//   StoreWriter+Rerender    what their changes mean for others, in slices
//   StoreWriter+Partitions  positions, readiness, dropping a partition
//   StoreWriter+Packed      fragments as they stand in gzip answers
//   StoreWriter+Load        records out of a snapshot
//   StoreWriter+Snapshot    records into one
//   StoreWriter+Reread      what there is, to be compared with the log

public import Model
import Reclamation
import Render
import Synchronization

/// What became of a message.
public enum ApplyResult: Sendable, Equatable {
    case created, updated, deleted
    /// A tombstone for a key that was not known.
    case unchanged
    /// The last good version stays.
    case refused(Refusal)
}

/// A limit of the store that a message ran into.
public enum Refusal: Sendable, Equatable {
    /// The rendered text is over `Limits.eventRecordBytesMax` or `Limits.referenceRecordBytesMax`.
    case recordTooLarge
    /// `Slab.slotsMax` keys of a model are alive, the store's memory is at its limit, or the system has none.
    case full
}

/// Something that no reader finds any more but may still look at.
@safe
enum Retired {
    case memory(UnsafeMutableRawPointer)
    case eventSlot(UInt32)
    case entitySlot(ModelKind, UInt32)
}

/// What the writer knows about the models of one kind, beside what readers see.
struct EntityState {
    var slots = SlotAllocator()
    var counts = IndexCounts()
    /// Models that are known; the index holds unknown but referenced ones too.
    var known = 0
    /// For each slot how many others name it. A slot lives while it is known or named.
    var uses: [Int32] = []
}

public final class StoreWriter {
    public let store: Store
    var retired = RetireList<Retired>()
    /// Retired bytes above this make `isOverRetiredLimit` true, and the caller waits.
    public let retiredBytesMax: Int

    var eventSlots = SlotAllocator()
    var eventCounts: [IndexCounts]
    /// Whether the events of a partition stand in their teams' lists: from the end of its bulk load to that of its drop.
    var isListed: [Bool]
    /// Changes of participants so far, and how many there were when a partition got its first event.
    var participantChanges: UInt64 = 0
    var changesAtLoad: [UInt64]
    var entities = [EntityState](repeating: EntityState(), count: GlobalPosition.kinds.count)
    /// region → participants, region → categories, category → stages, season → stages.
    var regionParticipants = Dependents()
    var regionCategories = Dependents()
    var categoryStages = Dependents()
    var seasonStages = Dependents()
    var rerender = RerenderQueue()
    var readGlobals: GlobalPosition
    var drops: [Drop] = []

    /// Packed forms above this are not made; 0: none are.
    public let packedBytesMax: Int
    let packer: FragmentPacker?
    /// Bytes of packed forms that readers find.
    public internal(set) var packedBytes = 0
    /// Fragments that were left without their packed form, since there was no room.
    public internal(set) var unpackedCount = 0

    // Scratch, reused from message to message.
    var text = TextBuffer()
    var rawName = TextBuffer()
    var fields = TextBuffer()
    var parts: [PartSource] = []
    var expected: [ExpectedLookup] = []

    /// Bytes of records, lists and chunks in memory, retired ones included.
    public internal(set) var memoryBytes = 0
    /// Bytes of the events' ready JSON.
    public internal(set) var eventJSONBytes = 0

    /// Traps where the store has or had a writer: what it counted went with it.
    public init(_ store: Store, retiredBytesMax: Int = 256 << 20, packedBytesMax: Int = 0) {
        let wasTaken = store.hasWriter.exchange(true, ordering: .relaxed)
        precondition(!wasTaken, "a store has one writer")
        self.store = store
        self.retiredBytesMax = retiredBytesMax
        self.packedBytesMax = packedBytesMax
        packer = packedBytesMax > 0 ? FragmentPacker() : nil
        eventCounts = Array(repeating: IndexCounts(), count: store.partitionCounts[0])
        isListed = Array(repeating: false, count: store.partitionCounts[0])
        changesAtLoad = Array(repeating: 0, count: store.partitionCounts[0])
        readGlobals = GlobalPosition(partitionCounts: store.globals.partitionCounts)
    }

    /// Traps where a reader still holds a guard over something retired: readers end before the writer.
    deinit {
        reclaim()
        precondition(retired.count == 0, "the writer ended before its readers")
    }

    // MARK: - Messages

    /// Applies a message with a value. The position of its partition moves with `advance`.
    public func apply(
        _ message: Message, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        switch message {
        case .event(let event): apply(event, arena, partition: partition, offset: offset)
        case .participant(let model): apply(model, arena, partition: partition, offset: offset)
        case .stage(let model): apply(model, arena, partition: partition, offset: offset)
        case .season(let model): apply(model, arena, partition: partition, offset: offset)
        case .region(let model): apply(model, arena, partition: partition, offset: offset)
        case .category(let model): apply(model, arena, partition: partition, offset: offset)
        }
    }

    /// Applies a tombstone.
    public func delete(_ kind: ModelKind, _ id: ID, partition: PartitionID, offset: Offset) -> ApplyResult {
        kind == .event
            ? deleteEvent(id, partition: partition, offset: offset)
            : deleteReference(kind, id, partition: partition, offset: offset)
    }

    // MARK: - Memory

    func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        memoryBytes += bytes
        return unsafe store.memory.allocatePrepared(bytes)
    }

    func retire(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
        unsafe retired.retire(.memory(memory), bytes: bytes, epoch: store.domain.current)
    }

    func retireSlot(_ slot: Retired) {
        retired.retire(slot, bytes: 0, epoch: store.domain.current)
    }

    /// A table counts as memory of this kind only once it is retired, since it was made without `allocate`.
    func retireTable(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
        memoryBytes += bytes
        unsafe retire(memory, bytes)
    }

    /// Frees what no reader can hold any more. Called between batches.
    public func reclaim() {
        let bound = store.domain.advance()
        let before = retired.bytes
        retired.free(below: bound) { item, bytes in
            switch item {
            case .memory(let memory): unsafe store.memory.free(memory, bytes)
            case .eventSlot(let slot): eventSlots.release(slot)
            case .entitySlot(let kind, let slot):
                unsafe store[kind].records.store(nil, at: slot)
                entities[Int(kind.rawValue) - 1].slots.release(slot)
            }
        }
        memoryBytes -= before - retired.bytes
    }

    /// Bytes of records, lists, tables and slab pages, retired ones included, and what is mapped to hold them.
    public var liveBytes: Int { store.memory.bytesLive }
    public var reservedBytes: Int { store.memory.bytesReserved }

    public var retiredBytes: Int { retired.bytes }
    public var retiredBytesHighWater: Int { retired.bytesHighWater }
    public var retiredCount: Int { retired.count }

    /// Whether the caller must wait, and reclaim, before it applies more: a reader stays for too long.
    public var isOverRetiredLimit: Bool { retired.bytes > retiredBytesMax }

    // MARK: - Slots of references

    /// The slot of a model, known or not; makes an unknown one. Nil where the slab is full.
    func slot(of kind: ModelKind, _ id: ID) -> UInt32? {
        if let slot = store[kind].find(id) { return slot }
        let state = Int(kind.rawValue) - 1
        let hasRoom = unsafe store[kind].index.makeRoom(&entities[state].counts, store.memory) {
            unsafe retireTable($0, $1)
        }
        guard hasRoom, let slot = entities[state].slots.allocate(in: store[kind].records, store.memory) else {
            return nil
        }
        if entities[state].uses.count <= Int(slot) { entities[state].uses.append(0) }
        if kind == .participant, !store.teamLists.ensure(slot, store.memory) {
            entities[state].slots.release(slot)
            return nil
        }
        unsafe store[kind].records.store(makeUnknown(id).base, at: slot)
        store[kind].index.insert(id.hash, slot: slot, &entities[state].counts)
        return slot
    }

    func retain(_ kind: ModelKind, _ slot: UInt32) { entities[Int(kind.rawValue) - 1].uses[Int(slot)] += 1 }

    func release(_ kind: ModelKind, _ slot: UInt32) {
        entities[Int(kind.rawValue) - 1].uses[Int(slot)] -= 1
        freeIfUnused(kind, slot)
    }

    /// Gives back what an unknown model used once nothing names it. The record stays in its slot until the slot is
    /// reclaimed, so that a reader who came by an event's record, replaced meanwhile, still finds its stage.
    func freeIfUnused(_ kind: ModelKind, _ slot: UInt32) {
        let state = Int(kind.rawValue) - 1
        guard entities[state].uses[Int(slot)] == 0, let record = unsafe store[kind].record(slot),
            unsafe !record.isKnown, let id = unsafe ID(record.id.span), store[kind].find(id) == slot
        else { return }
        unsafe store[kind].index.remove(id.hash, slot: slot, &entities[state].counts, store.memory) {
            unsafe retireTable($0, $1)
        }
        store.countRemoval()
        unsafe retire(record)
        retireSlot(.entitySlot(kind, slot))
    }

    // MARK: - Counts, for metrics

    /// Known models of a kind.
    public func count(_ kind: ModelKind) -> Int {
        kind == .event ? eventCounts.reduce(0) { $0 + $1.live } : entities[Int(kind.rawValue) - 1].known
    }

    /// Places in tables and slabs, in use or not: flat while keys come and go.
    public var tableCapacity: Int {
        var capacity = eventSlots.highWater
        for partition in eventCounts.indices { unsafe capacity += store.partitions[partition].index.capacity }
        for kind in GlobalPosition.kinds {
            capacity += store[kind].index.capacity + entities[Int(kind.rawValue) - 1].slots.highWater
        }
        return capacity
    }
}

/// Who names whom: the slots to render again when one changes. An empty set is no entry.
struct Dependents {
    private var sets: [UInt32: Set<UInt32>] = [:]

    mutating func insert(_ dependent: UInt32, of slot: UInt32) { sets[slot, default: []].insert(dependent) }

    mutating func remove(_ dependent: UInt32, of slot: UInt32) {
        sets[slot]?.remove(dependent)
        if sets[slot]?.isEmpty == true { sets[slot] = nil }
    }

    subscript(slot: UInt32) -> Set<UInt32> { sets[slot] ?? [] }
}
