// What was unlinked but may still be read, in the order of retirement. The writer's alone: no atomics here.

/// A queue of retired items with a stamp each. It knows nothing of what the items are; its user frees them.
///
/// Its length has no bound of its own: the user compares `bytes` with its limit and stops retiring, as the store's
/// writer does by waiting.
///
/// All of it is inlinable: the writer retires with each message, and asking for the item's type at run time took 3 % of
/// its time.
public struct RetireList<Item>: ~Copyable {
    @usableFromInline
    struct Entry {
        @usableFromInline var epoch: UInt64
        @usableFromInline var bytes: Int
        @usableFromInline var item: Item

        @inlinable
        init(epoch: UInt64, bytes: Int, item: Item) {
            self.epoch = epoch
            self.bytes = bytes
            self.item = item
        }
    }

    /// A queue as an array with a moving head, compacted when half of it is spent: amortised constant time.
    @usableFromInline var entries: [Entry] = []
    @usableFromInline var head = 0
    /// The bytes that wait to be freed.
    public internal(set) var bytes = 0
    /// The most that ever waited.
    public internal(set) var bytesHighWater = 0
    /// Items retired and freed since the start.
    public internal(set) var retiredTotal = 0
    public internal(set) var freedTotal = 0

    @inlinable
    public init() {}

    @inlinable
    public var count: Int { entries.count - head }

    /// Adds an item unlinked just now. `epoch` is `EpochDomain.current`, which never falls.
    @inlinable
    public mutating func retire(_ item: Item, bytes: Int, epoch: UInt64) {
        entries.append(Entry(epoch: epoch, bytes: bytes, item: item))
        countRetired(bytes)
    }

    /// Hands over every item stamped lower than `bound` with its bytes, oldest first, at most `itemsMax` of them.
    @inlinable
    public mutating func free(below bound: UInt64, itemsMax: Int = .max, _ free: (Item, Int) -> Void) {
        let first = head
        var freedBytes = 0
        while head < entries.count, head - first < itemsMax, entries[head].epoch < bound {
            freedBytes += entries[head].bytes
            free(entries[head].item, entries[head].bytes)
            head += 1
        }
        countFreed(head - first, freedBytes)
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.capacity <= 1 << 16)
            head = 0
        } else if head >= 1024, head * 2 >= entries.count {
            entries.removeSubrange(..<head)
            head = 0
        }
    }

    @usableFromInline
    mutating func countRetired(_ bytes: Int) {
        self.bytes += bytes
        bytesHighWater = max(bytesHighWater, self.bytes)
        retiredTotal += 1
    }

    @usableFromInline
    mutating func countFreed(_ count: Int, _ bytes: Int) {
        self.bytes -= bytes
        freedTotal += count
    }
}
