// The open-addressing table: 32 bits of an id's hash → slot. Linear probing over atomic words; a lookup is a few
// loads of one or two cache lines and no lock.
//
//   word = hash (high 32 bits) | slot + 1 (low 32 bits);   0 = never used;   low bits all ones = removed
//
// The writer changes words in place. When live and removed words together pass 3/4 of the capacity it builds a new
// table for the live ones and publishes it by one pointer store; the old one is retired. So a table that sees keys come and go
// stays the size of what is alive.

import Synchronization

/// The table's memory: a header word (capacity − 1), then the words. Borrowed; whoever swaps it out retires it.
@unsafe
struct HashTable {
    let base: UnsafeMutablePointer<Atomic<UInt64>>

    static func allocate(capacity: Int) -> HashTable {
        let base = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: capacity + 1)
        unsafe base.initialize(to: Atomic(UInt64(capacity - 1)))
        for index in 1...capacity { unsafe (base + index).initialize(to: Atomic(0)) }
        return unsafe HashTable(base: base)
    }

    // Relaxed: written before the table is published and never again.
    var mask: Int { unsafe Int(base.pointee.load(ordering: .relaxed)) }
    static func bytes(capacity: Int) -> Int { (capacity + 1) * 8 }

    @inline(__always)
    func load(_ index: Int) -> UInt64 { unsafe base[index + 1].load(ordering: .acquiring) }

    @inline(__always)
    func store(_ word: UInt64, _ index: Int) { unsafe base[index + 1].store(word, ordering: .releasing) }
}

/// How full a table is. The writer's alone.
struct IndexCounts {
    var live = 0
    var removed = 0
}

/// A hash index with its one writer and its readers. What only the writer needs, the counts, it brings along.
struct HashIndex: ~Copyable, Sendable {
    private let table: Atomic<UInt>
    private static let removedMark: UInt64 = 0xFFFF_FFFF
    private static let capacityMin = 16

    init() {
        table = Atomic(unsafe UInt(bitPattern: HashTable.allocate(capacity: Self.capacityMin).base))
    }

    deinit { unsafe current.base.deallocate() }

    @inline(__always)
    private var current: HashTable {
        // Acquire pairs with the release in `rebuild`: the new table's words are seen filled.
        let bits = table.load(ordering: .acquiring)
        return unsafe HashTable(base: UnsafeMutablePointer(bitPattern: bits).unsafelyUnwrapped)
    }

    var capacity: Int { unsafe current.mask + 1 }

    /// The slot whose id `matches`, nil where there is none. Ends at a never used word, of which there is always one.
    @inline(__always)
    func find(_ hash: UInt64, _ matches: (UInt32) -> Bool) -> UInt32? {
        let table = unsafe current
        let mask = unsafe table.mask
        let tag = hash >> 32
        var index = Int(tag) & mask
        while true {
            let word = unsafe table.load(index)
            if word == 0 { return nil }
            if word >> 32 == tag, word & Self.removedMark != Self.removedMark {
                let slot = UInt32(truncatingIfNeeded: word) &- 1
                if matches(slot) { return slot }
            }
            index = (index + 1) & mask
        }
    }

    /// Adds a slot whose id is not in the table. `retire` gets the old table when a new one is built. Writer only.
    func insert(
        _ hash: UInt64, slot: UInt32, _ counts: inout IndexCounts, retire: (UnsafeMutableRawPointer, Int) -> Void
    ) {
        if (counts.live + counts.removed + 1) * 4 > capacity * 3 { unsafe rebuild(&counts, retire: retire) }
        unsafe Self.place((hash & ~0xFFFF_FFFF) | UInt64(slot + 1), in: current)
        counts.live += 1
    }

    /// Removes a slot that is in the table. Writer only.
    func remove(
        _ hash: UInt64, slot: UInt32, _ counts: inout IndexCounts, retire: (UnsafeMutableRawPointer, Int) -> Void
    ) {
        let table = unsafe current
        let mask = unsafe table.mask
        let wanted = (hash & ~0xFFFF_FFFF) | UInt64(slot + 1)
        var index = Int(hash >> 32) & mask
        while unsafe table.load(index) != wanted {
            unsafe precondition(table.load(index) != 0, "removal of a slot that is not in the table")
            index = (index + 1) & mask
        }
        unsafe table.store(wanted | Self.removedMark, index)
        counts.live -= 1
        counts.removed += 1
        // Shrinks too: below 1/8 a smaller table is built.
        if capacity > Self.capacityMin, counts.live * 8 < capacity { unsafe rebuild(&counts, retire: retire) }
    }

    /// Calls `body` with each live slot whose word stands at `start` or behind, at most `words` words on; returns where
    /// to go on, nil at the end. The writer, who alone walks, inserts nothing between two calls that belong together;
    /// removals are fine as long as `body` collects and removes afterwards.
    func walk(from start: Int, words: Int, _ body: (UInt32) -> Void) -> Int? {
        let table = unsafe current
        let end = unsafe min(start + words, table.mask + 1)
        for index in start..<max(start, end) {
            let word = unsafe table.load(index)
            if word != 0, word & Self.removedMark != Self.removedMark {
                body(UInt32(truncatingIfNeeded: word) &- 1)
            }
        }
        return unsafe end > table.mask ? nil : end
    }

    private static func place(_ word: UInt64, in table: HashTable) {
        let mask = unsafe table.mask
        var index = Int(word >> 32) & mask
        while unsafe table.load(index) != 0 { index = (index + 1) & mask }
        unsafe table.store(word, index)
    }

    private func rebuild(_ counts: inout IndexCounts, retire: (UnsafeMutableRawPointer, Int) -> Void) {
        let old = unsafe current
        var capacity = Self.capacityMin
        while (counts.live + 1) * 2 > capacity { capacity *= 2 }
        let new = unsafe HashTable.allocate(capacity: capacity)
        for index in unsafe 0...old.mask {
            let word = unsafe old.load(index)
            if word != 0, word & Self.removedMark != Self.removedMark { unsafe Self.place(word, in: new) }
        }
        table.store(unsafe UInt(bitPattern: new.base), ordering: .releasing)
        counts.removed = 0
        unsafe retire(UnsafeMutableRawPointer(old.base), HashTable.bytes(capacity: old.mask + 1))
    }
}
