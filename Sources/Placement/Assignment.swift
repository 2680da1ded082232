// How a placement is found. Every partition proposes to the members it prefers; every member takes what it has room
// for and refuses the rest for good; who was refused proposes to the next, round by round. What was taken in one
// round is never given up for a later proposal. That is the point: a change of members moves what must move and the
// few partitions that were refused somewhere, with no chain of displacements behind them.
//
// The bound: a member holds at most ⌈1.25 × its share⌉. A share follows the weights, where no zone (or, without
// enough zones, no node) can hold more than one copy of each partition: what a heavy one cannot take is shared out
// among the others. Where nobody allowed has room, the one least over its bound takes the copy, and it is counted.

import Model

struct Assignment {
    private let members: [PlacementMember]
    private let partitions: Int
    private let replicas: Int
    /// For each partition all members, the preferred first.
    private let orders: [[Int]]
    /// For each member the number of its zone, or a number of its own where zones cannot be kept apart.
    private let zones: [Int]
    private let bounds: [Int]
    private var loads: [Int]
    private var holders: [[Int]]
    private var refused: [[Bool]]
    private(set) var copiesOverBound = 0

    init(members: [PlacementMember], partitions: Int, replicas: Int) {
        self.members = members
        self.partitions = partitions
        self.replicas = replicas
        let ring = Ring(members: members)
        self.orders = (0..<partitions).map { ring.order(of: $0) }
        self.zones = Self.zones(of: members, replicas: replicas)
        self.bounds = Self.bounds(of: members, zones: zones, partitions: partitions, replicas: replicas)
        self.loads = Array(repeating: 0, count: members.count)
        self.holders = Array(repeating: [], count: partitions)
        self.refused = Array(repeating: Array(repeating: false, count: members.count), count: partitions)
    }

    /// Every proposal ends in a copy or a refusal for good, so there are at most partitions × members of them.
    mutating func run() {
        var proposals = self.proposals()
        while !proposals.allSatisfy(\.isEmpty) {
            for member in members.indices { answer(proposals[member], member: member) }
            proposals = self.proposals()
        }
        for partition in 0..<partitions {
            while holders[partition].count < replicas { force(partition) }
        }
    }

    /// The holders of each partition, in the partition's own order.
    func ordered() -> [[Int]] {
        (0..<partitions).map { partition in orders[partition].filter { holders[partition].contains($0) } }
    }

    /// For each member the partitions that propose to it in this round.
    private func proposals() -> [[Int]] {
        var proposals = [[Int]](repeating: [], count: members.count)
        for partition in 0..<partitions where holders[partition].count < replicas {
            var taken = holders[partition].map { zones[$0] }
            for member in orders[partition] where taken.count < replicas {
                if refused[partition][member] || taken.contains(zones[member]) { continue }
                taken.append(zones[member])
                proposals[member].append(partition)
            }
        }
        return proposals
    }

    /// A member with too little room prefers by a hash of its own, so that no partition is always the one refused.
    private mutating func answer(_ proposals: [Int], member: Int) {
        let room = bounds[member] - loads[member]
        var preferred = proposals
        if room < proposals.count {
            let hash = members[member].id.hash
            preferred.sort { (mix(hash, UInt64($0)), $0) < (mix(hash, UInt64($1)), $1) }
        }
        for (rank, partition) in preferred.enumerated() {
            if rank < room {
                holders[partition].append(member)
                loads[member] += 1
            } else {
                refused[partition][member] = true
            }
        }
    }

    private mutating func force(_ partition: Int) {
        let taken = holders[partition].map { zones[$0] }
        let allowed = orders[partition].filter { !taken.contains(zones[$0]) }
        // Never empty: there are at least as many zones as replicas, and fewer than that are taken.
        guard let member = allowed.min(by: { loads[$0] - bounds[$0] < loads[$1] - bounds[$1] }) else {
            preconditionFailure("fewer zones than replicas")
        }
        holders[partition].append(member)
        loads[member] += 1
        copiesOverBound += 1
    }

    private static func zones(of members: [PlacementMember], replicas: Int) -> [Int] {
        var numbers: [ID: Int] = [:]
        var count = 0
        let zones = members.map { member in
            if let zone = member.zone, let number = numbers[zone] { return number }
            if let zone = member.zone { numbers[zone] = count }
            count += 1
            return count - 1
        }
        return count >= replicas ? zones : Array(members.indices)
    }

    private static func bounds(
        of members: [PlacementMember], zones: [Int], partitions: Int, replicas: Int
    ) -> [Int] {
        var weights = [Int](repeating: 0, count: members.count)
        for (member, zone) in zip(members, zones) { weights[zone] += member.weight }
        var isFull = [Bool](repeating: false, count: members.count)
        var copies = partitions * replicas
        var weight = weights.reduce(0, +)
        while let zone = weights.indices.first(where: {
            weights[$0] > 0 && !isFull[$0] && copies * weights[$0] > partitions * weight
        }) {
            isFull[zone] = true
            copies -= partitions
            weight -= weights[zone]
        }
        return zip(members, zones).map { member, zone in
            let (share, whole) = isFull[zone] ? (partitions, weights[zone]) : (copies, weight)
            return min(partitions, (5 * share * member.weight + 4 * whole - 1) / (4 * whole))
        }
    }
}
