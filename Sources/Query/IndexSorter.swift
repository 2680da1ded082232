// Sorting a list of indexes on the read path, where the standard library's sort would allocate for longer lists.

/// A stable merge sort that keeps its memory: runs of doubling length are merged from one list into the other. Runs that
/// already follow each other are only copied.
struct IndexSorter {
    private var merged: [Int32] = []

    mutating func sort(_ items: inout [Int32], _ isBefore: (Int32, Int32) -> Bool) {
        guard items.count > 1 else { return }
        merged.removeAll(keepingCapacity: true)
        merged.append(contentsOf: items)
        var width = 1
        while width < items.count {
            var start = 0
            while start < items.count {
                let middle = min(start + width, items.count)
                merge(items.span, start, middle, min(middle + width, items.count), isBefore)
                start = middle + width
            }
            swap(&items, &merged)
            width *= 2
        }
    }

    /// Merges the runs before and from `middle` into `merged`.
    @inline(__always)
    private mutating func merge(
        _ items: Span<Int32>, _ start: Int, _ middle: Int, _ end: Int, _ isBefore: (Int32, Int32) -> Bool
    ) {
        guard middle < end, isBefore(items[middle], items[middle - 1]) else {
            for place in start..<end { merged[place] = items[place] }
            return
        }
        var (left, right) = (start, middle)
        for place in start..<end {
            if left == middle || (right < end && isBefore(items[right], items[left])) {
                merged[place] = items[right]
                right += 1
            } else {
                merged[place] = items[left]
                left += 1
            }
        }
    }
}
