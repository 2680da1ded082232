// What was unlinked but may still be read, in the order of retirement. The writer's alone: no atomics here.

/// A queue of retired items with a stamp each. It knows nothing of what the items are; its user frees them.
///
/// Its length has no bound of its own: the user compares `bytes` with its limit and stops retiring, as the store's
/// writer does by waiting.
public struct RetireList<Item>: ~Copyable {
    private struct Entry {
        var epoch: UInt64
        var bytes: Int
        var item: Item
    }

    /// A queue as an array with a moving head, compacted when half of it is spent: amortised constant time.
    private var entries: [Entry] = []
    private var head = 0
    /// The bytes that wait to be freed.
    public private(set) var bytes = 0
    /// The most that ever waited.
    public private(set) var bytesHighWater = 0
    /// Items retired and freed since the start.
    public private(set) var retiredTotal = 0
    public private(set) var freedTotal = 0

    public init() {}

    public var count: Int { entries.count - head }

    /// Adds an item unlinked just now. `epoch` is `EpochDomain.current`, which never falls.
    public mutating func retire(_ item: Item, bytes: Int, epoch: UInt64) {
        entries.append(Entry(epoch: epoch, bytes: bytes, item: item))
        self.bytes += bytes
        bytesHighWater = max(bytesHighWater, self.bytes)
        retiredTotal += 1
    }

    /// Hands over every item stamped lower than `bound`, oldest first, at most `itemsMax` of them.
    public mutating func free(below bound: UInt64, itemsMax: Int = .max, _ free: (Item) -> Void) {
        var freed = 0
        while head < entries.count, freed < itemsMax, entries[head].epoch < bound {
            bytes -= entries[head].bytes
            free(entries[head].item)
            head += 1
            freed += 1
        }
        freedTotal += freed
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.capacity <= 1 << 16)
            head = 0
        } else if head >= 1024, head * 2 >= entries.count {
            entries.removeSubrange(..<head)
            head = 0
        }
    }
}
