// A node's memory: the offer, ready to be sent. One thread writes it, any number read it without a lock.
//
//   event id ──► index of its partition ──► slot ──► EventRecord (header, parts, JSON)
//   team id ───► participants' index ─────► slot ──► ReferenceRecord        (its JSON)
//                                             └────► TeamList ─► chunks of (start, event slot)
//   event's stage slot ─────────────────────────────► ReferenceRecord        (the stage's header)
//
// An update is one pointer swap; the old record is retired and freed when every reader has left the epoch it could be
// seen in. Slots of removed keys are retired the same way before they are used again.
//
// Threads: `StoreWriter` belongs to the thread that ingests. `StoreReader` is one for each reading thread. This class is
// what both share.

public import Model
import Reclamation
import Synchronization

/// What the writer and the readers share: constants, and atomics behind them.
///
/// Sendable: every property is a constant whose changing parts are atomic words; the memory behind `partitions` is
/// initialised here and lives as long as the store. `StoreWriter.init` makes sure that there is one writer.
@safe
public final class Store: @unchecked Sendable {
    let domain = EpochDomain()
    /// Of all records, lists, tables and slab pages. The writer allocates and frees in it; the store owns it, since
    /// readers may outlive the writer.
    let memory: RecordMemory
    @usableFromInline let events = Slab()
    @usableFromInline let partitions: UnsafeMutablePointer<EventPartition>
    private let entities: UnsafeMutablePointer<EntityTable>
    /// participant slot → TeamList; 0 where no event names it.
    let teamLists = Slab()
    /// The partitions of the events topic that may be read.
    let readyPartitions = AtomicPartitionSet()
    let globals: GlobalProgress
    /// The number of partitions of each topic, in the order of `ModelKind`.
    public let partitionCounts: [Int]
    let hasWriter = Atomic<Bool>(false)
    // Each message changes what follows, each look-up loads what stands before: two cache lines between them.
    private let gap = InlineArray<16, UInt64>(repeating: 0)
    /// Counts the changes of started positions, and of applied ones that fall.
    let progress = Atomic<UInt64>(0)
    /// How many keys were given up. A key that comes back gets another slot, so a reader that saw the number change
    /// cannot tell by the slot whether it has met a key before.
    private let removals = Atomic<UInt64>(0)
    private let gapBehind = InlineArray<16, UInt64>(repeating: 0)

    /// The partition counts are fixed for the store's life, as a topic's is. Above `memoryBytesMax` bytes of records,
    /// lists and tables the writer refuses messages but tombstones.
    public init(partitionCounts: [Int], memoryBytesMax: Int = .max) {
        precondition(partitionCounts.count == ModelKind.allCases.count)
        precondition(partitionCounts.allSatisfy { $0 >= 1 && $0 <= Limits.partitionsMax })
        self.partitionCounts = partitionCounts
        memory = RecordMemory(bytesMax: memoryBytesMax)
        unsafe partitions = .allocate(capacity: partitionCounts[0])
        for index in 0..<partitionCounts[0] { unsafe (partitions + index).initialize(to: EventPartition(memory)) }
        unsafe entities = .allocate(capacity: GlobalPosition.kinds.count)
        for index in GlobalPosition.kinds.indices { unsafe (entities + index).initialize(to: EntityTable(memory)) }
        globals = GlobalProgress(partitionCounts: Array(partitionCounts[1...]))
    }

    deinit {
        // The writer is gone, it holds the store. What is still linked goes with the memory, as a whole.
        unsafe partitions.deinitialize(count: partitionCounts[0])
        unsafe partitions.deallocate()
        unsafe entities.deinitialize(count: GlobalPosition.kinds.count)
        unsafe entities.deallocate()
    }

    /// The table of one of the five reference models.
    subscript(kind: ModelKind) -> EntityTable {
        @inline(__always)
        _read {
            precondition(kind != .event)
            yield unsafe entities[Int(kind.rawValue) - 1]
        }
    }

    @inlinable @inline(__always)
    func event(_ slot: UInt32) -> EventRecord? {
        guard let pointer = unsafe events.load(slot) else { return nil }
        return unsafe EventRecord(pointer)
    }

    @inline(__always)
    func teamList(_ participant: UInt32) -> TeamList? {
        guard let pointer = unsafe teamLists.load(participant) else { return nil }
        return unsafe TeamList(pointer)
    }

    /// An event and its slot.
    @inlinable @inline(__always)
    func event(_ id: ID, in partition: PartitionID) -> (slot: UInt32, record: EventRecord)? {
        unsafe event(id, partitions + Int(partition.rawValue))
    }

    @inlinable @inline(__always)
    func event(_ id: ID, _ partition: UnsafePointer<EventPartition>) -> (slot: UInt32, record: EventRecord)? {
        var found: EventRecord?
        let slot = unsafe partition.pointee.index.find(id.hash) { slot in
            guard let record = unsafe event(slot), unsafe record.isRecord(of: id) else { return false }
            unsafe found = record
            return true
        }
        guard let slot, let found = unsafe found else { return nil }
        return unsafe (slot, found)
    }

    /// The slot of an event in its partition.
    func findEvent(_ id: ID, in partition: PartitionID) -> UInt32? { unsafe event(id, in: partition)?.slot }

    /// Writer only, behind the unlinking. Release: a reader that finds the key's next slot finds the number raised; one
    /// that began with the raised number cannot find the old slot.
    func countRemoval() { removals.add(1, ordering: .releasing) }

    @inline(__always)
    var removalCount: UInt64 { removals.load(ordering: .acquiring) }
}
