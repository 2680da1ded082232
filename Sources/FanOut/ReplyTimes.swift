// How long replies take, by the number of ids asked for, and from when on one counts as late: the 95th of 100.
//
// A histogram for each size, of 128 buckets an eighth of an octave wide, from 16 µs to 4 s. The counts are halved as they
// grow, so what was seen 2,048 replies ago counts half: a second at most on a busy loop. The delay is found anew every
// 64 replies.

struct ReplyTimes {
    /// Up to 1, 4, 16, 64, 256 and 1024 ids, and more.
    static let sizes = 7
    private static let buckets = 128
    private static let countMax: UInt32 = 2048
    private static let step: UInt32 = 64
    /// 2^14 ns: the width of the first buckets.
    private static let unitShift = 14

    private let minNs: UInt64
    private let maxNs: UInt64
    private var counts = [UInt32](repeating: 0, count: sizes * buckets)
    private var totals = [UInt32](repeating: 0, count: sizes)
    private var unseen = [UInt32](repeating: 0, count: sizes)
    private var delays: [UInt64]
    /// The shortest of the delays.
    private(set) var shortestNs: UInt64

    init(minNs: UInt64, maxNs: UInt64, defaultNs: UInt64) {
        self.minNs = minNs
        self.maxNs = max(minNs, maxNs)
        let delay = min(max(defaultNs, minNs), self.maxNs)
        delays = Array(repeating: delay, count: Self.sizes)
        shortestNs = delay
    }

    static func size(ids: Int) -> Int {
        guard ids > 1 else { return 0 }
        // Four times as many ids, one size more: 2 to 4, 5 to 16, …
        return min((Int.bitWidth - (ids - 1).leadingZeroBitCount + 1) / 2, sizes - 1)
    }

    /// The time after which a reply of this size is late.
    func delay(size: Int) -> UInt64 { delays[size] }

    mutating func observe(size: Int, ns: UInt64) {
        counts[size * Self.buckets + Self.bucket(ns)] += 1
        totals[size] += 1
        unseen[size] += 1
        if unseen[size] == Self.step { renew(size) }
    }

    private mutating func renew(_ size: Int) {
        unseen[size] = 0
        let first = size * Self.buckets
        // As many as are later than 95 of 100.
        let above = totals[size] / 20
        var seen: UInt32 = 0
        var bucket = Self.buckets - 1
        while bucket > 0, seen + counts[first + bucket] <= above {
            seen += counts[first + bucket]
            bucket -= 1
        }
        delays[size] = min(max(Self.end(of: bucket), minNs), maxNs)
        shortestNs = delays.reduce(maxNs, min)
        guard totals[size] >= Self.countMax else { return }
        totals[size] = 0
        for index in first..<first + Self.buckets {
            counts[index] /= 2
            totals[size] += counts[index]
        }
    }

    private static func bucket(_ ns: UInt64) -> Int {
        let units = ns >> UInt64(unitShift)
        guard units >= 8 else { return Int(units) }
        let octave = 63 - units.leadingZeroBitCount
        return min((octave - 2) * 8 + Int(units >> UInt64(octave - 3) & 7), buckets - 1)
    }

    /// Where the bucket ends, in nanoseconds.
    private static func end(of bucket: Int) -> UInt64 {
        guard bucket >= 8 else { return UInt64(bucket + 1) << UInt64(unitShift) }
        return UInt64(9 + bucket % 8) << UInt64(bucket / 8 - 1 + unitShift)
    }
}

/// How many hedges may be sent: each request earns a part of one.
struct HedgeBudget {
    private static let unit = 100
    private let percent: Int
    private let most: Int
    private var saved: Int

    /// Begins with what may be saved up at most.
    init(percent: Int, countMax: Int) {
        self.percent = percent
        most = countMax * Self.unit
        saved = most
    }

    var count: Int { saved / Self.unit }

    mutating func earn() { saved = min(saved + percent, most) }

    mutating func spend(_ count: Int) { saved -= count * Self.unit }
}
