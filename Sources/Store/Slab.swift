// Numbered places for pointers. A place never moves, so a slot number found in a table or a team's list stays good
// while its readers look at it; what it points to changes by one atomic swap.

public import CMemory
public import Synchronization

/// A growing array of atomic words in pages that never move. The writer adds pages; any number of readers load words.
///
/// Sendable: a page is written once into the directory before any slot number in it is published (by a release store
/// into a table or a list, which the reader loads with acquire), and lives as long as the store's memory.
@safe @usableFromInline
struct Slab: ~Copyable, @unchecked Sendable {
    @inlinable static var pageBits: Int { 12 }
    @inlinable static var pageSlots: Int { 1 << pageBits }
    static let pagesMax = 1 << 14
    /// 64 M slots. The writer refuses a key for which there is none (`Refusal.full`).
    static let slotsMax = pageSlots * pagesMax

    @usableFromInline let pages: UnsafeMutablePointer<UnsafeMutablePointer<Atomic<UInt>>?>

    init() {
        unsafe pages = .allocate(capacity: Self.pagesMax)
        unsafe pages.initialize(repeating: nil, count: Self.pagesMax)
    }

    deinit { unsafe pages.deallocate() }

    /// Makes sure that the slot has a word, 0 at first. Its page is the memory's, which outlives the slab and frees it.
    /// False where there is no memory. Writer only.
    func ensure(_ slot: UInt32, _ memory: borrowing RecordMemory) -> Bool {
        let page = Int(slot) >> Self.pageBits
        guard unsafe pages[page] == nil else { return true }
        guard let block = unsafe memory.allocate(Self.pageSlots * MemoryLayout<UInt>.stride) else { return false }
        let words = unsafe block.bindMemory(to: Atomic<UInt>.self, capacity: Self.pageSlots)
        for index in 0..<Self.pageSlots { unsafe (words + index).initialize(to: Atomic(0)) }
        unsafe pages[page] = words
        return true
    }

    @inlinable @inline(__always)
    func word(_ slot: UInt32) -> UnsafeMutablePointer<Atomic<UInt>> {
        // Slot numbers come from this slab's allocator only, so the page is there.
        unsafe pages[Int(slot) >> Self.pageBits].unsafelyUnwrapped + (Int(slot) & (Self.pageSlots - 1))
    }

    /// Acquire pairs with the release in `store`: what the pointer points to is seen whole.
    @inlinable @inline(__always)
    func load(_ slot: UInt32) -> UnsafeRawPointer? {
        unsafe UnsafeRawPointer(bitPattern: word(slot).pointee.load(ordering: .acquiring))
    }

    /// Begins to load the slot's word.
    @inlinable @inline(__always)
    func prefetch(_ slot: UInt32) { unsafe cmemory_prefetch(word(slot)) }

    /// Release: see `load`. Writer only.
    @inline(__always)
    func store(_ pointer: UnsafeRawPointer?, at slot: UInt32) {
        unsafe word(slot).pointee.store(UInt(bitPattern: pointer), ordering: .releasing)
    }
}

/// Which slots of a slab are taken. The writer's alone.
struct SlotAllocator {
    private var next: UInt32 = 0
    private var free: [UInt32] = []

    /// Slots in use, and slots waiting to be given back.
    var used: Int { Int(next) - free.count }
    /// Slots there are pages for.
    var highWater: Int { Int(next) }

    /// A slot whose word is 0; nil where all are taken, or there is no memory for more.
    mutating func allocate(in slab: borrowing Slab, _ memory: borrowing RecordMemory) -> UInt32? {
        if let slot = free.popLast() { return slot }
        guard Int(next) < Slab.slotsMax, slab.ensure(next, memory) else { return nil }
        next += 1
        return next - 1
    }

    /// Gives a slot back. Only when no reader can hold its number any more.
    mutating func release(_ slot: UInt32) { free.append(slot) }
}
