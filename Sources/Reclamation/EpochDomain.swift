// Epoch-based reclamation: when may memory be freed that a reader without a lock might still look at?
//
//   readers (one slot each)          writer (one thread)
//   -----------------------          -------------------
//   pin:   slot = epoch; fence       unlink the old record; retire it, stamped with the epoch
//   read   through atomic pointers   advance: fence; epoch += 1
//   unpin: slot = idle               free what is stamped lower than every pinned slot
//
// After Fraser, "Practical lock-freedom" (2004), section 5.2.3, and crossbeam-epoch, whose words are used here. Simpler
// than either, since there is one writer: no per-thread bags, and the epoch is a counter that never wraps in practice
// (64 bits).
//
// Why it is safe. A reader stores its slot and then, behind a sequentially consistent fence, loads pointers. The
// writer unlinks a pointer and then, behind such a fence, reads the slots. In the single order of the two fences
// either the reader's comes first, and the writer sees the slot pinned at an epoch not above the stamp and keeps the
// memory; or the writer's comes first, and the reader's loads see the unlinking. A reader pinned at a higher epoch
// loaded that epoch with acquire from the writer's release, which came after the unlinking: it cannot find the pointer.
// When a reader leaves, its release of the slot pairs with the writer's acquire, so its last read comes before the free.

public import Synchronization

/// The epoch that one writer advances and many readers pin.
public final class EpochDomain: Sendable {
    /// Readers register once, at start; a program that registers more has a wrong bound: it traps. There are at most
    /// 256 event loops (the setting `loops`) with two readers each, link and router of `serve`, and the management's.
    public static let readersMax = 1024
    /// Two cache lines a slot: neighbours never share one, not even with the adjacent-line prefetcher.
    private static let slotStride = 16

    @usableFromInline let epoch = Atomic<UInt64>(1)
    private let registered = Atomic<Int>(0)
    @usableFromInline let slots: SlotArray

    public init() {
        slots = SlotArray(count: Self.readersMax * Self.slotStride)
    }

    /// A slot of one's own, for one thread for good.
    public func register() -> ReaderSlot {
        // Relaxed: `advance` reads the number behind its fence, and whoever registers pins behind another, so the
        // argument above covers it too.
        let index = registered.wrappingAdd(1, ordering: .relaxed).oldValue
        precondition(index < Self.readersMax, "more than \(Self.readersMax) readers")
        return ReaderSlot(index: index * Self.slotStride)
    }

    /// Runs `body` pinned: nothing it can find is freed before it returns. It must not wait, and must not nest.
    @inline(__always)
    public func read<Result>(_ slot: ReaderSlot, _ body: (borrowing ReadGuard) -> Result) -> Result {
        pin(slot)
        defer { unpin(slot) }
        return body(ReadGuard())
    }

    /// As `read`, for tests that hold a reader on purpose.
    @inlinable
    public func pin(_ slot: ReaderSlot) {
        // Acquire pairs with the release in `advance`: at this epoch everything unlinked before it is unfindable.
        let now = epoch.load(ordering: .acquiring)
        assert(slots[slot.index].load(ordering: .relaxed) == 0, "a read inside a read")
        // The fence orders it before every load that follows. Release, as in `unpin`: an `advance` that finds this pin
        // and never saw the slot idle must still come after all reads under the pin before.
        slots[slot.index].store(now, ordering: .releasing)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    @inlinable
    public func unpin(_ slot: ReaderSlot) {
        // Release pairs with the acquire in `advance`: all reads under the guard come before the free.
        slots[slot.index].store(0, ordering: .releasing)
    }

    /// The stamp for what is retired now. Writer only.
    public var current: UInt64 { epoch.load(ordering: .relaxed) }

    /// Begins a new epoch and returns the bound: everything stamped lower than it may be freed. Writer only.
    public func advance() -> UInt64 {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let next = epoch.load(ordering: .relaxed) + 1
        // Release: who reads this epoch sees everything unlinked before it.
        epoch.store(next, ordering: .releasing)
        var bound = next
        let count = min(registered.load(ordering: .relaxed), Self.readersMax)
        for index in 0..<count {
            let pinned = slots[index * Self.slotStride].load(ordering: .acquiring)
            if pinned != 0 { bound = min(bound, pinned) }
        }
        return bound
    }
}

/// The right to read as one particular thread.
public struct ReaderSlot: Sendable {
    @usableFromInline let index: Int
}

/// The proof that the thread is pinned. Functions that load a pointer ask for it; it cannot be copied or kept.
public struct ReadGuard: ~Copyable {
    @usableFromInline
    init() {}
}

/// Owns the slots' memory.
///
/// Sendable: after `init` the array is only reached through atomics, and it lives as long as its owner.
@safe @usableFromInline
struct SlotArray: ~Copyable, @unchecked Sendable {
    @usableFromInline let base: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let count: Int

    init(count: Int) {
        unsafe base = .allocate(capacity: count)
        self.count = count
        for index in 0..<count { unsafe (base + index).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    @inlinable
    subscript(index: Int) -> Atomic<UInt64> {
        @inline(__always)
        _read {
            precondition(index >= 0 && index < count)
            yield unsafe base[index]
        }
    }
}
