// The open-addressing table: 32 bits of an id's hash → slot. A look-up loads one cache line of eight words, compares
// them all without a branch, and seldom goes on to the next line; no lock.
//
//   word = slot + 1 (high 32 bits) | hash (low 32 bits);   0 = never used;   high bits all ones = removed
//
// A key stands in the line that its hash names, or where that is full in the next line that was not. So a look-up ends
// at a line that still has a word never used, and a line that was once full never gets such a word again: what is
// removed from it is marked. Why without a branch: how far a probe goes cannot be predicted, and a wrong prediction
// costs the load of the next look-up, which would otherwise be under way already.
//
// The writer changes words in place. When live and removed words together pass 7/8 of the capacity it builds a new
// table for the live ones and publishes it by one pointer store; the old one is retired. So a table that sees keys come
// and go stays the size of what is alive.

public import CMemory
public import Synchronization

/// The table's memory: whole lines of words, at a multiple of a line. Borrowed; whoever swaps it out retires it.
@unsafe @usableFromInline
struct HashTable {
    @inlinable static var lineWords: Int { 8 }
    /// The address, and in its low bits, which are zero in an address, the capacity's binary logarithm.
    @usableFromInline let bits: UInt

    @inlinable
    init(bits: UInt) { unsafe self.bits = bits }

    static func allocate(capacity: Int, _ memory: borrowing RecordMemory) -> HashTable? {
        guard let memory = unsafe memory.allocate(bytes(capacity: capacity)) else { return nil }
        let words = unsafe memory.bindMemory(to: Atomic<UInt64>.self, capacity: capacity)
        for index in 0..<capacity { unsafe (words + index).initialize(to: Atomic(0)) }
        return unsafe HashTable(bits: UInt(bitPattern: memory) | UInt(capacity.trailingZeroBitCount))
    }

    @inlinable @inline(__always)
    var base: UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe UnsafeMutablePointer(bitPattern: bits & ~63).unsafelyUnwrapped
    }
    @inlinable @inline(__always)
    var capacity: Int { unsafe 1 &<< Int(truncatingIfNeeded: bits & 63) }
    static func bytes(capacity: Int) -> Int { capacity * 8 }
    var bytes: Int { unsafe Self.bytes(capacity: capacity) }

    @inlinable @inline(__always)
    func load(_ index: Int) -> UInt64 { unsafe base[index].load(ordering: .acquiring) }

    @inline(__always)
    func store(_ word: UInt64, _ index: Int) { unsafe base[index].store(word, ordering: .releasing) }

    /// The index of the first word of the line in which the search for a hash begins.
    @inlinable @inline(__always)
    func line(_ tag: UInt32) -> Int { unsafe Int(truncatingIfNeeded: tag) &* Self.lineWords & (capacity &- 1) }

    @inlinable @inline(__always)
    func nextLine(_ line: Int) -> Int { unsafe (line &+ Self.lineWords) & (capacity &- 1) }

    /// One bit for each word of the line that has the hash; some may be removed or, for a hash of 0, never used.
    @inlinable @inline(__always)
    func matches(_ tag: UInt32, line: Int) -> UInt32 { unsafe cmemory_match(base + line, tag) }

    /// The first word of the line that was never used.
    @inlinable @inline(__always)
    func unused(line: Int) -> Int? {
        for index in unsafe line..<line + Self.lineWords where unsafe load(index) == 0 { return index }
        return nil
    }
}

/// How full a table is. The writer's alone.
struct IndexCounts {
    var live = 0
    var removed = 0
}

/// A hash index with its one writer and its readers. What only the writer needs, the counts, it brings along.
@usableFromInline
struct HashIndex: ~Copyable, Sendable {
    @usableFromInline let table: Atomic<UInt>
    private static let removedHalf = UInt32.max
    private static let capacityMin = 16

    /// Its tables are the memory's, which outlives it and frees the last of them.
    init(_ memory: borrowing RecordMemory) {
        guard let first = unsafe HashTable.allocate(capacity: Self.capacityMin, memory) else {
            preconditionFailure("no memory for an empty store")
        }
        table = Atomic(unsafe first.bits)
    }

    @inlinable @inline(__always)
    var current: HashTable {
        // Acquire pairs with the release in `rebuild`: the new table's words are seen filled.
        unsafe HashTable(bits: table.load(ordering: .acquiring))
    }

    var capacity: Int { unsafe current.capacity }

    /// A word's slot; nil where it was never used or is removed.
    @inlinable @inline(__always)
    static func slot(_ word: UInt64) -> UInt32? {
        let half = UInt32(truncatingIfNeeded: word >> 32)
        return half &+ 1 > 1 ? half &- 1 : nil
    }

    /// The slot whose id `matches`, nil where there is none. Ends at a line with a word never used, of which there is
    /// always one.
    @inlinable @inline(__always)
    func find(_ hash: UInt64, _ matches: (UInt32) -> Bool) -> UInt32? {
        let table = unsafe current
        let tag = UInt32(truncatingIfNeeded: hash)
        var line = unsafe table.line(tag)
        while true {
            var found = unsafe table.matches(tag, line: line)
            while found != 0 {
                // Loaded again: it may be another key's by now, which the id tells.
                if let slot = unsafe Self.slot(table.load(line &+ found.trailingZeroBitCount)), matches(slot) {
                    return slot
                }
                found &= found &- 1
            }
            if unsafe table.unused(line: line) != nil { return nil }
            unsafe line = table.nextLine(line)
        }
    }

    /// Begins to load the line in which the search for a hash begins.
    @inlinable @inline(__always)
    func prefetch(_ hash: UInt64) {
        let table = unsafe current
        unsafe cmemory_prefetch(table.base + table.line(UInt32(truncatingIfNeeded: hash)))
    }

    /// The slot that `find` would ask about first, as a rule the one that it would find.
    @inlinable @inline(__always)
    func candidate(_ hash: UInt64) -> UInt32? {
        let table = unsafe current
        let tag = UInt32(truncatingIfNeeded: hash)
        let line = unsafe table.line(tag)
        let found = unsafe table.matches(tag, line: line)
        return unsafe found == 0 ? nil : Self.slot(table.load(line &+ found.trailingZeroBitCount))
    }

    /// Makes sure that one more key has a place, or `keys` more. `retire` gets the old table when a new one is built. False
    /// where there is no memory for that. Writer only.
    func makeRoom(
        for keys: Int = 1, _ counts: inout IndexCounts, _ memory: borrowing RecordMemory,
        retire: (UnsafeMutableRawPointer, Int) -> Void
    ) -> Bool {
        guard (counts.live + counts.removed + keys) * 8 > capacity * 7 else { return true }
        return unsafe rebuild(for: keys, &counts, memory, retire: retire)
    }

    /// Adds a slot whose id is not in the table, after `makeRoom`. Writer only.
    func insert(_ hash: UInt64, slot: UInt32, _ counts: inout IndexCounts) {
        unsafe Self.place(UInt64(slot + 1) << 32 | hash & 0xFFFF_FFFF, in: current)
        counts.live += 1
    }

    /// Removes a slot that is in the table. Writer only.
    func remove(
        _ hash: UInt64, slot: UInt32, _ counts: inout IndexCounts, _ memory: borrowing RecordMemory,
        retire: (UnsafeMutableRawPointer, Int) -> Void
    ) {
        let table = unsafe current
        let tag = UInt32(truncatingIfNeeded: hash)
        let wanted = UInt64(slot + 1) << 32 | UInt64(tag)
        var line = unsafe table.line(tag)
        while true {
            let isFull = unsafe table.unused(line: line) == nil
            let index = unsafe (line..<line + HashTable.lineWords).first { unsafe table.load($0) == wanted }
            if let index {
                unsafe table.store(isFull ? wanted | UInt64(Self.removedHalf) << 32 : 0, index)
                counts.removed += isFull ? 1 : 0
                break
            }
            precondition(isFull, "removal of a slot that is not in the table")
            unsafe line = table.nextLine(line)
        }
        counts.live -= 1
        // Shrinks too: below 1/8 a smaller table is built. Where there is no memory for it the large one stays.
        if capacity > Self.capacityMin, counts.live * 8 < capacity {
            _ = unsafe rebuild(&counts, memory, retire: retire)
        }
    }

    /// Calls `body` with each live slot whose word stands at `start` or behind, at most `words` words on; returns where
    /// to go on, nil at the end. The writer, who alone walks, inserts nothing between two calls that belong together;
    /// removals are fine as long as `body` collects and removes afterwards.
    func walk(from start: Int, words: Int, _ body: (UInt32) -> Void) -> Int? {
        let table = unsafe current
        let end = unsafe min(start + words, table.capacity)
        for index in start..<max(start, end) {
            if let slot = unsafe Self.slot(table.load(index)) { body(slot) }
        }
        return unsafe end >= table.capacity ? nil : end
    }

    private static func place(_ word: UInt64, in table: HashTable) {
        var line = unsafe table.line(UInt32(truncatingIfNeeded: word))
        while true {
            if let index = unsafe table.unused(line: line) {
                unsafe table.store(word, index)
                return
            }
            unsafe line = table.nextLine(line)
        }
    }

    private func rebuild(
        for keys: Int = 1, _ counts: inout IndexCounts, _ memory: borrowing RecordMemory,
        retire: (UnsafeMutableRawPointer, Int) -> Void
    ) -> Bool {
        let old = unsafe current
        var capacity = Self.capacityMin
        while (counts.live + keys) * 16 > capacity * 7 { capacity *= 2 }
        guard let new = unsafe HashTable.allocate(capacity: capacity, memory) else { return false }
        for index in unsafe 0..<old.capacity {
            let word = unsafe old.load(index)
            if Self.slot(word) != nil { unsafe Self.place(word, in: new) }
        }
        table.store(unsafe new.bits, ordering: .releasing)
        counts.removed = 0
        unsafe retire(UnsafeMutableRawPointer(old.base), old.bytes)
        return true
    }
}
