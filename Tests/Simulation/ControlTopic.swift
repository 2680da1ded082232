// Kafka as the members see it: the control topic's log, and the ends of the topics that nodes hold.

import Model

struct ControlTopic {
    struct Entry {
        let offset: Offset
        let timestampMs: Int64
        let key: [UInt8]
        let value: [UInt8]?
    }

    private(set) var entries: [Entry] = []
    private(set) var end = Offset(0)

    mutating func append(timestampMs: Int64, key: [UInt8], value: [UInt8]?) {
        entries.append(Entry(offset: end, timestampMs: timestampMs, key: key, value: value))
        end = Offset(end.rawValue + 1)
    }

    /// From `position` on.
    func entries(from position: Offset) -> ArraySlice<Entry> {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset < position { low = middle + 1 } else { high = middle }
        }
        return entries[low...]
    }

    /// Of all but the last records only the newest of each key stays.
    mutating func compact(keepingLast count: Int) {
        var seen: Set<[UInt8]> = []
        var kept: [Entry] = []
        for (index, entry) in entries.enumerated().reversed() {
            let isNewest = seen.insert(entry.key).inserted
            if isNewest || index >= entries.count - count { kept.append(entry) }
        }
        entries = kept.reversed()
    }
}
