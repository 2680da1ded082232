// The models of one kind: id → slot → record. Everything that names such a model names its slot.

import Model

/// A hash index over a slab of reference records. One writer, many readers.
struct EntityTable: ~Copyable {
    let index: HashIndex
    let records = Slab()

    init(_ memory: borrowing RecordMemory) { index = HashIndex(memory) }

    @inline(__always)
    func record(_ slot: UInt32) -> ReferenceRecord? {
        guard let pointer = unsafe records.load(slot) else { return nil }
        return unsafe ReferenceRecord(pointer)
    }

    /// The slot of the id, known or not.
    @inline(__always)
    func find(_ id: ID) -> UInt32? {
        index.find(id.hash) { slot in
            guard let record = unsafe record(slot) else { return false }
            return unsafe record.isRecord(of: id)
        }
    }
}
