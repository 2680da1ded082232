// Look-ups side by side. One look-up waits for memory three times: for the index's line, for the slab's word, for the
// record. Sixteen wait for each together.

import CMemory
import Model

/// Some look-ups under way. Valid under the guard it was made under.
@unsafe
struct EventBatch {
    /// About what a processor's core can wait for at once.
    static let idsMax = 16

    @unsafe
    private struct Entry {
        var partition: PartitionID?
        var hash: UInt64 = 0
        var slot = noSlot
        var record: EventRecord?
    }

    private var entries = unsafe InlineArray<16, Entry>(repeating: Entry())
    private var count = 0

    /// First step: which line of the index.
    @inline(__always)
    mutating func add(_ id: ID, _ partition: PartitionID?, _ store: Store) {
        if let partition {
            let hash = id.hash
            unsafe entries[count].partition = partition
            unsafe entries[count].hash = hash
            unsafe store.partitions[Int(partition.rawValue)].index.prefetch(hash)
        }
        unsafe count += 1
    }

    /// Second step: which slots.
    @inline(__always)
    mutating func loadSlots(_ store: Store) {
        for index in unsafe 0..<count {
            guard let partition = unsafe entries[index].partition else { continue }
            let candidate = unsafe store.partitions[Int(partition.rawValue)].index.candidate(entries[index].hash)
            guard let slot = candidate else { continue }
            unsafe entries[index].slot = slot
            store.events.prefetch(slot)
        }
    }

    /// Third step: which records. Header and id are in the first two lines.
    @inline(__always)
    mutating func loadRecords(_ store: Store) {
        for index in unsafe 0..<count where unsafe entries[index].slot != noSlot {
            guard let record = unsafe store.event(entries[index].slot) else { continue }
            unsafe entries[index].record = record
            unsafe cmemory_prefetch(record.base)
            unsafe cmemory_prefetch(record.base + 64)
        }
    }

    /// Last step: what was found for the id that was added at this place. Where the candidate is another's, which is
    /// rare, it is looked for alone.
    @inline(__always)
    func found(_ index: Int, _ id: ID, _ view: borrowing StoreView) -> (slot: UInt32, record: EventRecord)? {
        guard let partition = unsafe entries[index].partition else { return nil }
        if let record = unsafe entries[index].record, unsafe record.isRecord(of: id) {
            return unsafe (entries[index].slot, record)
        }
        return unsafe view.event(id, in: partition)
    }
}
