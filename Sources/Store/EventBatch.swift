// Look-ups side by side. One look-up waits for memory three times: for the index's line, for the slab's word, for the
// record. Sixteen wait for each together.

import CMemory
import Model

/// Some look-ups under way. Valid under the guard it was made under.
@unsafe
struct EventBatch {
    /// About what a processor's core can wait for at once.
    static let idsMax = 16
    /// No partition: the id is not looked for.
    private static let noPartition = UInt16.max

    private var hashes = InlineArray<16, UInt64>(repeating: 0)
    private var partitions = InlineArray<16, UInt16>(repeating: noPartition)
    private var slots = InlineArray<16, UInt32>(repeating: noSlot)
    private var records = unsafe InlineArray<16, UnsafeRawPointer?>(repeating: nil)
    private var count = 0

    /// First step: which line of the index.
    @inline(__always)
    mutating func add(_ id: ID, _ partition: PartitionID?, _ store: Store) {
        if let partition {
            let hash = id.hash
            unsafe hashes[count] = hash
            unsafe partitions[count] = UInt16(truncatingIfNeeded: partition.rawValue)
            unsafe store.partitions[Int(partition.rawValue)].index.prefetch(hash)
        }
        unsafe count &+= 1
    }

    /// Second step: which slots.
    @inline(__always)
    mutating func loadSlots(_ store: Store) {
        for index in unsafe 0..<count where unsafe partitions[index] != Self.noPartition {
            let candidate = unsafe store.partitions[Int(partitions[index])].index.candidate(hashes[index])
            guard let slot = candidate else { continue }
            unsafe slots[index] = slot
            store.events.prefetch(slot)
        }
    }

    /// Third step: which records. Header and id are in the first two lines.
    @inline(__always)
    mutating func loadRecords(_ store: Store) {
        for index in unsafe 0..<count where unsafe slots[index] != noSlot {
            guard let record = unsafe store.event(slots[index]) else { continue }
            unsafe records[index] = record.base
            unsafe cmemory_prefetch(record.base)
            unsafe cmemory_prefetch(record.base + 64)
        }
    }

    /// Last step: what was found for the id that was added at this place. Where the candidate is another's, which is
    /// rare, it is looked for alone.
    @inline(__always)
    func found(_ index: Int, _ id: ID, _ store: Store) -> (slot: UInt32, record: EventRecord)? {
        guard unsafe partitions[index] != Self.noPartition else { return nil }
        if let base = unsafe records[index], unsafe EventRecord(base).isRecord(of: id) {
            return unsafe (slots[index], EventRecord(base))
        }
        return unsafe store.event(id, in: PartitionID(Int(partitions[index])))
    }
}
