// Look-ups side by side. One look-up waits for memory three times: for the index's line, for the slab's word, for the
// record. Sixteen wait for each together.

public import CMemory
public import Model

/// One of some look-ups under way. Valid under the guard it was made under.
@unsafe @usableFromInline
struct EventLookup: BitwiseCopyable {
    /// About what a processor's core can wait for at once.
    @inlinable static var atOnce: Int { 16 }

    /// Nil: the id belongs nowhere and is not looked for.
    @usableFromInline let index: UnsafePointer<EventPartition>?
    @usableFromInline let hash: UInt64
    @usableFromInline var slot = noSlot
    @usableFromInline var record: UnsafeRawPointer?

    /// First step: which line of the index.
    @inlinable @inline(__always)
    init(_ hash: UInt64, _ partition: PartitionID?, _ store: Store) {
        unsafe index = partition.map { unsafe UnsafePointer(store.partitions + Int($0.rawValue)) }
        unsafe self.hash = hash
        unsafe index?.pointee.index.prefetch(hash)
    }

    /// Second step: which slot.
    @inlinable @inline(__always)
    mutating func loadSlot(_ store: Store) {
        guard let candidate = unsafe index?.pointee.index.candidate(hash) else { return }
        unsafe slot = candidate
        store.events.prefetch(candidate)
    }

    /// Third step: which record. Header and id are in the first two lines.
    @inlinable @inline(__always)
    mutating func loadRecord(_ store: Store) {
        guard unsafe slot != noSlot, let found = unsafe store.events.load(slot) else { return }
        unsafe record = found
        unsafe cmemory_prefetch(found)
        unsafe cmemory_prefetch(found + 64)
    }

    /// Last step: what was found for the id. Where the candidate is another's, which is rare, it is looked for alone.
    @inlinable @inline(__always)
    func found(_ id: ID, _ store: Store) -> (slot: UInt32, record: EventRecord)? {
        if let record = unsafe record, unsafe EventRecord(record).isRecord(of: id) {
            return unsafe (slot, EventRecord(record))
        }
        guard let index = unsafe index else { return nil }
        return unsafe store.event(id, index)
    }
}
