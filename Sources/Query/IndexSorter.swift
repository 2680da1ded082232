// Sorting a list of indexes on the read path, where the standard library's sort would allocate for longer lists.

import Model

/// A stable sort that keeps its memory: short runs are sorted by insertion, then runs of doubling length are merged from
/// one list into the other. Runs that already follow each other are only copied.
struct IndexSorter: ~Copyable {
    private var merged = Scratch<Int32>()
    /// Up to here insertion beats merging: it compares more, but moves within a line or two of memory.
    private static let runMax = 12

    @inline(__always)
    mutating func sort(_ items: UnsafeMutableBufferPointer<Int32>, _ isBefore: (Int32, Int32) -> Bool) {
        guard items.count > 1, let first = items.baseAddress else { return }
        let count = items.count
        var start = 0
        while start < count {
            unsafe Self.insert(first + start, min(Self.runMax, count - start), isBefore)
            start += Self.runMax
        }
        guard count > Self.runMax else { return }
        merged.fill(0, count: count)
        var (from, to) = unsafe (first, merged.elements)
        var width = Self.runMax
        while width < count {
            var start = 0
            while start < count {
                let middle = min(start + width, count)
                unsafe Self.merge(from, to, start, middle, min(middle + width, count), isBefore)
                start = middle + width
            }
            unsafe (from, to) = unsafe (to, from)
            width *= 2
        }
        if unsafe from != first { unsafe first.update(from: from, count: count) }
    }

    @inline(__always)
    private static func insert(
        _ items: UnsafeMutablePointer<Int32>, _ count: Int, _ isBefore: (Int32, Int32) -> Bool
    ) {
        var index = 1
        while index < count {
            let item = unsafe items[index]
            var place = index
            while place > 0, isBefore(item, unsafe items[place - 1]) {
                unsafe items[place] = items[place - 1]
                place -= 1
            }
            unsafe items[place] = item
            index += 1
        }
    }

    /// Merges the runs before and from `middle`.
    @inline(__always)
    private static func merge(
        _ from: UnsafeMutablePointer<Int32>, _ to: UnsafeMutablePointer<Int32>, _ start: Int, _ middle: Int, _ end: Int,
        _ isBefore: (Int32, Int32) -> Bool
    ) {
        guard middle < end, unsafe isBefore(from[middle], from[middle - 1]) else {
            unsafe (to + start).update(from: from + start, count: end - start)
            return
        }
        var (left, right) = (start, middle)
        for place in start..<end {
            if unsafe left == middle || (right < end && isBefore(from[right], from[left])) {
                unsafe to[place] = from[right]
                right += 1
            } else {
                unsafe to[place] = from[left]
                left += 1
            }
        }
    }
}
