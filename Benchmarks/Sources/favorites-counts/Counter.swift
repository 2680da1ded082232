// Runs one piece of work again and again under callgrind, which counts its instructions and calls.

import CCallgrind

struct Counter {
    /// What the work made, so that the compiler cannot leave it out.
    private(set) var checksum = 0

    /// Does the work `count` times, from 0 up, and as often before: what grows once has grown then. Prints name and count.
    mutating func count(_ name: String, _ count: Int, _ work: (Int) -> Int) {
        for index in 0..<count { checksum &+= work(index) }
        favorites_counts_begin()
        var sum = 0
        for index in 0..<count { sum &+= work(index) }
        unsafe name.withCString { unsafe favorites_counts_end($0) }
        checksum &+= sum
        print(name, count)
    }
}
