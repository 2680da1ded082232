// Fragments as they stand in gzip answers: made with the record, kept behind its text, gone with it. A record made while
// there is no room has none; whoever answers then packs the fragment for that answer.

import Render

extension StoreWriter {
    /// The packed form of a fragment, valid until the next call; nil where none is kept.
    func pack(_ fragment: UnsafeBufferPointer<UInt8>) -> UnsafeRawBufferPointer? {
        guard let packer else { return nil }
        guard packedBytes < packedBytesMax else {
            unpackedCount += 1
            return nil
        }
        return unsafe packer.pack(fragment)
    }

    /// Puts it behind a record's text.
    func putPacked(_ packed: UnsafeRawBufferPointer?, at place: UnsafeMutableRawPointer) {
        guard let packed = unsafe packed, let base = packed.baseAddress else { return }
        unsafe place.copyMemory(from: base, byteCount: packed.count)
        packedBytes += packed.count
    }

    /// Retires a record that no reader finds any more.
    func retire(_ record: EventRecord) {
        packedBytes -= unsafe record.packed?.count ?? 0
        unsafe retire(UnsafeMutableRawPointer(mutating: record.base), record.bytes)
    }

    func retire(_ record: ReferenceRecord) {
        packedBytes -= unsafe record.packed?.count ?? 0
        unsafe retire(UnsafeMutableRawPointer(mutating: record.base), record.bytes)
    }
}
