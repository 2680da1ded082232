// Memory is slow to answer but answers many at once: what some messages will look for is asked for side by side before
// the first of them is applied. These are hints alone: `apply` looks everything up for itself.

import CMemory
public import Model

/// A look-up that `apply` will make.
struct ExpectedLookup {
    var kind: ModelKind
    /// Of an event.
    var partition: PartitionID
    var hash: UInt64
    var slot = noSlot
}

extension StoreWriter {
    /// Look-ups of one event that are fetched ahead: itself, its stage and its first participants.
    private static let participantsMax = 4

    /// The event will be applied soon. First step: which lines of the indexes.
    public func expect(_ event: EventMessage, _ arena: MessageArena, partition: PartitionID) {
        let hash = event.id.hash
        unsafe store.partitions[Int(partition.rawValue)].index.prefetch(hash)
        expected.append(ExpectedLookup(kind: .event, partition: partition, hash: hash))
        expect(.stage, event.stageID.hash)
        for index in 0..<min(arena.participants.count, Self.participantsMax) {
            expect(.participant, arena.participants[index].id.hash)
        }
    }

    /// As `expect` for an event: a model will be looked for.
    func expect(_ kind: ModelKind, _ hash: UInt64) {
        store[kind].index.prefetch(hash)
        expected.append(ExpectedLookup(kind: kind, partition: PartitionID(0), hash: hash))
    }

    /// The expected events are applied now. Second step: which slots; third: which records.
    public func fetchExpected() {
        for index in expected.indices {
            let lookup = expected[index]
            let found =
                lookup.kind == .event
                ? unsafe store.partitions[Int(lookup.partition.rawValue)].index.candidate(lookup.hash)
                : store[lookup.kind].index.candidate(lookup.hash)
            guard let slot = found else { continue }
            expected[index].slot = slot
            if lookup.kind == .event { store.events.prefetch(slot) } else { store[lookup.kind].records.prefetch(slot) }
        }
        for lookup in expected where lookup.slot != noSlot {
            let record =
                lookup.kind == .event
                ? unsafe store.events.load(lookup.slot) : unsafe store[lookup.kind].records.load(lookup.slot)
            guard let record = unsafe record else { continue }
            // Header, id, names and what is shown.
            unsafe cmemory_prefetch(record)
            unsafe cmemory_prefetch(record + 64)
            if lookup.kind == .participant { unsafe cmemory_prefetch(record + 128) }
        }
        expected.removeAll(keepingCapacity: true)
    }
}
