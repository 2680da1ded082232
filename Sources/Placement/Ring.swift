// The hash ring: every member owns points on a circle of 2^64 places, as many as its weight asks for. A partition
// prefers members in the order in which their points follow its own place. A member that comes or goes changes no
// other two members' order, which is what keeps a change small.
//
// All hashes are fixed, never Swift's `Hasher`: every process must draw the same ring.

import Model

struct Ring {
    private struct Point {
        let place: UInt64
        let member: Int
    }

    /// 128 points keep a member's stretch of the circle within about a tenth of its share, which is less than the
    /// chance of few partitions adds anyway.
    static let pointsPerWeight: UInt64 = 128

    private let points: [Point]
    private let memberCount: Int

    /// `members` in rising order of ids, which settles the (practically impossible) case of two points on one place.
    init(members: [PlacementMember]) {
        var points: [Point] = []
        for (index, member) in members.enumerated() {
            let hash = member.id.hash
            for number in 0..<UInt64(member.weight) * Self.pointsPerWeight {
                points.append(Point(place: mix(hash, number), member: index))
            }
        }
        points.sort { ($0.place, $0.member) < ($1.place, $1.member) }
        self.points = points
        self.memberCount = members.count
    }

    /// All members in the order in which this partition prefers them.
    func order(of partition: Int) -> [Int] {
        let place = mix(0x7061_7274_6974_696f, UInt64(partition))
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle].place < place { low = middle + 1 } else { high = middle }
        }
        var seen = [Bool](repeating: false, count: memberCount)
        var order: [Int] = []
        order.reserveCapacity(memberCount)
        for step in points.indices where order.count < memberCount {
            let member = points[(low + step) % points.count].member
            if seen[member] { continue }
            seen[member] = true
            order.append(member)
        }
        return order
    }
}

/// Two numbers made one of fixed hash: SplitMix64's finalizer over their sum in its sequence.
func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
    var mixed = left &+ (right &+ 1) &* 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
}
