// Virtual time: what is to happen, in the order of its time, and of two at one time in the order they were added.

struct Agenda {
    private struct Entry {
        let atUs: Int64
        let number: Int
        let body: () -> Void

        static func < (left: Entry, right: Entry) -> Bool { (left.atUs, left.number) < (right.atUs, right.number) }
    }

    private(set) var nowUs: Int64 = 0
    private var heap: [Entry] = []
    private var count = 0

    mutating func add(atUs: Int64, _ body: @escaping () -> Void) {
        heap.append(Entry(atUs: max(atUs, nowUs), number: count, body: body))
        count += 1
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Moves time on to the next entry, which is to be called; nil behind `endUs`.
    mutating func next(until endUs: Int64) -> (() -> Void)? {
        guard let first = heap.first, first.atUs <= endUs else { return nil }
        nowUs = first.atUs
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == parent { break }
            heap.swapAt(least, parent)
            parent = least
        }
        return first.body
    }

    mutating func clear() { heap = [] }
}
