// A team's events in the order of their start: immutable chunks of at most 64 entries under an immutable list.
//
//   list:  chunk count, entry count | for each chunk: first start, pointer
//   chunk: entry count | starts (8 bytes each) | event slots (4 bytes each)
//
// Sorted by (start, slot). A change copies one chunk and the list of chunks, so its cost follows the change and not
// the team's history. The entries only lead to records: readers order and filter by the record they load, so an entry
// whose event has just moved does no harm. The writer inserts an event's new entry before it removes the old one: for
// a moment the event stands twice, never nowhere.

import Synchronization

/// Where an event stands in a team's list.
struct TeamEntry: Comparable, BitwiseCopyable {
    var start: Int64
    var slot: UInt32

    @inline(__always)
    static func < (left: TeamEntry, right: TeamEntry) -> Bool {
        left.start != right.start ? left.start < right.start : left.slot < right.slot
    }
}

@unsafe
struct TeamChunk {
    static let entriesMax = 64
    let base: UnsafeMutableRawPointer

    init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    static func bytes(count: Int) -> Int { 8 + count * 12 }

    static func allocate(count: Int, _ memory: borrowing RecordMemory) -> TeamChunk {
        let base = unsafe memory.allocatePrepared(bytes(count: count))
        unsafe base.storeBytes(of: count, as: Int.self)
        return unsafe TeamChunk(base)
    }

    var count: Int { unsafe base.load(as: Int.self) }
    var starts: UnsafeMutablePointer<Int64> { unsafe (base + 8).assumingMemoryBound(to: Int64.self) }
    var slots: UnsafeMutablePointer<UInt32> {
        unsafe (base + 8 + count * 8).assumingMemoryBound(to: UInt32.self)
    }

    @inline(__always)
    subscript(index: Int) -> TeamEntry {
        get { unsafe TeamEntry(start: starts[index], slot: slots[index]) }
        nonmutating set {
            unsafe starts[index] = newValue.start
            unsafe slots[index] = newValue.slot
        }
    }

    /// The first index whose entry is not less than `entry`.
    func lowerBound(_ entry: TeamEntry) -> Int {
        var low = 0
        var high = unsafe count
        while low < high {
            let middle = (low + high) / 2
            if unsafe self[middle] < entry { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

@unsafe
struct TeamList {
    let base: UnsafeMutableRawPointer

    init(_ base: UnsafeRawPointer) { unsafe self.base = UnsafeMutableRawPointer(mutating: base) }

    static func bytes(chunks: Int) -> Int { 16 + chunks * 16 }

    static func allocate(chunks: Int, entries: Int, _ memory: borrowing RecordMemory) -> TeamList {
        let base = unsafe memory.allocatePrepared(bytes(chunks: chunks))
        unsafe base.storeBytes(of: chunks, as: Int.self)
        unsafe base.storeBytes(of: entries, toByteOffset: 8, as: Int.self)
        return unsafe TeamList(base)
    }

    var chunkCount: Int { unsafe base.load(as: Int.self) }
    var entryCount: Int { unsafe base.load(fromByteOffset: 8, as: Int.self) }
    var bytes: Int { unsafe Self.bytes(chunks: chunkCount) }

    /// The first start of a chunk, beside its pointer: the search for a start touches no chunk but the one it ends in.
    @inline(__always)
    func firstStart(_ index: Int) -> Int64 { unsafe base.load(fromByteOffset: 16 + index * 16, as: Int64.self) }

    @inline(__always)
    func chunk(_ index: Int) -> TeamChunk {
        unsafe TeamChunk(base.load(fromByteOffset: 24 + index * 16, as: UnsafeMutableRawPointer.self))
    }

    func set(_ chunk: TeamChunk, at index: Int) {
        unsafe base.storeBytes(of: chunk[0].start, toByteOffset: 16 + index * 16, as: Int64.self)
        unsafe base.storeBytes(of: chunk.base, toByteOffset: 24 + index * 16, as: UnsafeMutableRawPointer.self)
    }

    /// The last chunk whose first entry is not above `entry`; 0 where there is none.
    func chunkIndex(of entry: TeamEntry) -> Int {
        var low = 0
        var high = unsafe chunkCount
        while low < high {
            let middle = (low + high) / 2
            let first = unsafe firstStart(middle)
            // A chunk is looked into only where its start does not tell: it is another line of memory.
            let isAbove = unsafe first != entry.start ? first > entry.start : entry < chunk(middle)[0]
            if isAbove { high = middle } else { low = middle + 1 }
        }
        return max(low - 1, 0)
    }

    /// The position of the first entry whose start is above `start`: (chunk, index within it).
    func firstAfter(start: Int64) -> (chunk: Int, index: Int) {
        var low = 0
        var high = unsafe chunkCount
        while low < high {
            let middle = (low + high) / 2
            if unsafe firstStart(middle) <= start { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return (0, 0) }
        let chunk = unsafe chunk(low - 1)
        var index = 0
        var end = unsafe chunk.count
        while index < end {
            let middle = (index + end) / 2
            if unsafe chunk.starts[middle] <= start { index = middle + 1 } else { end = middle }
        }
        return (low - 1, index)
    }
}

// MARK: - Changes: each makes the new list and says what it replaced.

/// What a change took out of use, to be retired.
@unsafe
struct Replaced {
    var list: UnsafeMutableRawPointer?
    var listBytes = 0
    var chunk: UnsafeMutableRawPointer?
    var chunkBytes = 0
}

extension TeamList {
    /// A list of one entry.
    static func single(_ entry: TeamEntry, _ memory: borrowing RecordMemory) -> TeamList {
        let chunk = unsafe TeamChunk.allocate(count: 1, memory)
        unsafe chunk[0] = entry
        let list = unsafe TeamList.allocate(chunks: 1, entries: 1, memory)
        unsafe list.set(chunk, at: 0)
        return unsafe list
    }

    /// A list of sorted entries, of which there is at least one, in full chunks.
    static func building(_ entries: [TeamEntry], _ memory: borrowing RecordMemory) -> TeamList {
        let chunks = unsafe (entries.count + TeamChunk.entriesMax - 1) / TeamChunk.entriesMax
        let list = unsafe TeamList.allocate(chunks: chunks, entries: entries.count, memory)
        for index in 0..<chunks {
            let start = unsafe index * TeamChunk.entriesMax
            let chunk = unsafe TeamChunk.allocate(count: min(TeamChunk.entriesMax, entries.count - start), memory)
            for position in unsafe 0..<chunk.count { unsafe chunk[position] = entries[start + position] }
            unsafe list.set(chunk, at: index)
        }
        return unsafe list
    }

    /// This list with one entry more, which must not be in it.
    func inserting(_ entry: TeamEntry, _ memory: borrowing RecordMemory) -> (TeamList, Replaced) {
        let at = unsafe chunkIndex(of: entry)
        let old = unsafe chunk(at)
        let index = unsafe old.lowerBound(entry)
        let count = unsafe old.count + 1
        let splits = unsafe count > TeamChunk.entriesMax
        // Fixtures mostly arrive in the order of time: a full last chunk stays full and a new one begins.
        let appends = unsafe splits && at == chunkCount - 1 && index == old.count
        let firstCount = splits ? (appends ? count - 1 : count / 2) : count
        let list = unsafe TeamList.allocate(
            chunks: chunkCount + (splits ? 1 : 0), entries: entryCount + 1, memory)
        unsafe copyChunks(to: list, replacing: at, by: splits ? 2 : 1)
        var from = 0
        for part in 0..<(splits ? 2 : 1) {
            let new = unsafe TeamChunk.allocate(count: part == 0 ? firstCount : count - firstCount, memory)
            for position in unsafe 0..<new.count {
                let source = from + position
                unsafe new[position] = source == index ? entry : old[source < index ? source : source - 1]
            }
            unsafe from += new.count
            unsafe list.set(new, at: at + part)
        }
        return unsafe (list, replaced(old))
    }

    /// This list without an entry that is in it; nil where none is left.
    func removing(_ entry: TeamEntry, _ memory: borrowing RecordMemory) -> (TeamList?, Replaced) {
        let at = unsafe chunkIndex(of: entry)
        let old = unsafe chunk(at)
        let index = unsafe old.lowerBound(entry)
        unsafe precondition(index < old.count && old[index] == entry, "removal of an entry that is not in the list")
        guard unsafe entryCount > 1 else { return unsafe (nil, replaced(old)) }
        let empties = unsafe old.count == 1
        let list = unsafe TeamList.allocate(
            chunks: chunkCount - (empties ? 1 : 0), entries: entryCount - 1, memory)
        unsafe copyChunks(to: list, replacing: at, by: empties ? 0 : 1)
        if !empties {
            let new = unsafe TeamChunk.allocate(count: old.count - 1, memory)
            for position in unsafe 0..<new.count {
                unsafe new[position] = old[position < index ? position : position + 1]
            }
            unsafe list.set(new, at: at)
        }
        return unsafe (list, replaced(old))
    }

    /// Copies all chunk pointers but the one at `at`, for which `count` places are left.
    private func copyChunks(to list: TeamList, replacing at: Int, by count: Int) {
        for index in unsafe 0..<chunkCount where index != at {
            unsafe list.set(chunk(index), at: index < at ? index : index - 1 + count)
        }
    }

    private func replaced(_ chunk: TeamChunk) -> Replaced {
        unsafe Replaced(
            list: base, listBytes: bytes, chunk: chunk.base, chunkBytes: TeamChunk.bytes(count: chunk.count))
    }
}
