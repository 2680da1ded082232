// Which slots a request has met, and where it put them: a small open-addressing map that is emptied by counting up a
// stamp instead of by writing to it.

import Model

/// slot → index, for one request at a time.
struct SlotMarks: ~Copyable {
    // Not private: Swift 6.3.1 cannot compile a list of private values that another file destroys.
    struct Mark: BitwiseCopyable {
        var stamp: UInt32 = 0
        var slot: UInt32 = 0
        var index: Int32 = 0
    }

    private var marks = Scratch<Mark>(capacity: 1024)
    private var stamp: UInt32 = 0
    private var count = 0

    init() { marks.fill(Mark(), count: 1024) }

    /// Empties the map.
    mutating func begin() {
        count = 0
        stamp &+= 1
        // After 2^32 requests old stamps would be taken for new ones.
        if stamp == 0 {
            marks.fill(Mark(), count: marks.count)
            stamp = 1
        }
    }

    @inline(__always)
    func find(_ slot: UInt32) -> Int32? {
        var at = place(slot)
        while marks[at].stamp == stamp {
            if marks[at].slot == slot { return marks[at].index }
            at = (at + 1) & (marks.count - 1)
        }
        return nil
    }

    @inline(__always)
    mutating func insert(_ slot: UInt32, _ index: Int32) {
        if count * 2 >= marks.count { grow() }
        count += 1
        place(Mark(stamp: stamp, slot: slot, index: index))
    }

    @inline(__always)
    private mutating func place(_ mark: Mark) {
        var at = place(mark.slot)
        while marks[at].stamp == stamp { at = (at + 1) & (marks.count - 1) }
        marks[at] = mark
    }

    /// The map is never more than half full. It stays as large as the largest request made it.
    @inline(never)
    private mutating func grow() {
        var old = Scratch<Mark>(capacity: marks.count * 2)
        old.fill(Mark(), count: marks.count * 2)
        swap(&old, &marks)
        for index in 0..<old.count where old[index].stamp == stamp { place(old[index]) }
    }

    @inline(__always)
    private func place(_ slot: UInt32) -> Int {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4).
        Int((slot &* 2_654_435_769) >> 8) & (marks.count - 1)
    }
}
