// Covers: which holders answer a request. A request that names a team needs every partition, each answered by exactly
// one holder, and costs as much as the number of holders asked: so the covers are small, and there are several, to be
// used in turn, so that the work is even. They are planned once per change of who is ready (rarely) and read by every
// request (often). Pure: the same holders and seed give the same covers.

public import Model

/// A node and what it may be asked for.
public struct ReadyHolder: Sendable, Hashable {
    public var node: ID
    public var partitions: PartitionSet

    public init(node: ID, partitions: PartitionSet) {
        self.node = node
        self.partitions = partitions
    }
}

/// What one holder answers for.
public struct CoverPart: Sendable, Hashable {
    /// An index into `Covers.holders`.
    public var holder: Int
    public var partitions: PartitionSet

    public init(holder: Int, partitions: PartitionSet) {
        self.holder = holder
        self.partitions = partitions
    }
}

public struct Covers: Sendable, Equatable {
    /// Most covers planned: with every node holding everything, one for each member.
    public static let plansMax = Limits.membersMax
    /// Fewest covers planned.
    public static let plansMin = 8
    /// In how many covers every holder should stand.
    static let turnsPerHolder = 4

    /// In rising order of ids.
    public let holders: [ReadyHolder]
    /// Each assigns every partition that has a holder to exactly one. Empty where nothing has a holder.
    public private(set) var plans: [[CoverPart]]
    /// The partitions without a holder.
    public let missing: PartitionSet

    private let seed: UInt64

    /// `holders` name each node once; their order does not count. `seed` (the generation, say) settles ties.
    public init(holders: [ReadyHolder], partitions: Int, seed: UInt64) {
        let sorted = holders.sorted { $0.node < $1.node }
        let held = sorted.reduce(PartitionSet()) { $0.union($1.partitions) }
        let all = PartitionSet(below: partitions)
        self.holders = sorted
        self.missing = all.subtracting(held)
        self.seed = seed
        self.plans = []
        let wanted = all.intersection(held)
        if !wanted.isEmpty { plan(wanted) }
    }

    /// The cover for a request, given a number that rises from request to request; empty where nothing has a holder.
    public func cover(turn: Int) -> [CoverPart] { plans.isEmpty ? [] : plans[turn % plans.count] }

    /// Spreads some partitions over few holders, for a request that names events alone, or for a second try. Leaves
    /// out holders that are not `usable`. Calls `part` for each holder asked and returns what none can answer.
    /// Allocates nothing.
    public func assign(
        _ partitions: PartitionSet, turn: Int, usable: (Int) -> Bool = { _ in true }, part: (CoverPart) -> Void
    ) -> PartitionSet {
        var left = partitions
        while !left.isEmpty {
            var best = -1
            var bestGain = 0
            for step in holders.indices {
                let index = (turn + step) % holders.count
                let gain = left.intersection(holders[index].partitions).count
                if gain > bestGain, usable(index) { (best, bestGain) = (index, gain) }
            }
            if best < 0 { return left }
            part(CoverPart(holder: best, partitions: left.intersection(holders[best].partitions)))
            left = left.subtracting(holders[best].partitions)
        }
        return left
    }

    // MARK: - Planning

    /// Each plan begins with the holder that stood in the fewest plans so far, so everyone gets its turns.
    private mutating func plan(_ wanted: PartitionSet) {
        var turns = [Int](repeating: 0, count: holders.count)
        var loads = [Int](repeating: 0, count: holders.count)
        var planCount = Self.plansMin
        while plans.count < planCount {
            let chosen = choose(wanted, plan: plans.count, turns: turns)
            for holder in chosen { turns[holder] += 1 }
            plans.append(spread(wanted, over: chosen, loads: &loads))
            if plans.count == 1 {
                planCount = Self.turnsPerHolder * holders.count / chosen.count
                planCount = min(max(planCount, Self.plansMin), Self.plansMax)
            }
        }
    }

    /// A small set of holders that has every partition, by the greedy rule: next the holder that adds most, of several
    /// the one with the fewest turns.
    private func choose(_ wanted: PartitionSet, plan: Int, turns: [Int]) -> [Int] {
        let useful = holders.indices.filter { !wanted.intersection(holders[$0].partitions).isEmpty }
        let ranks = holders.indices.map { mix(seed &+ UInt64(plan), UInt64($0)) }
        var chosen: [Int] = []
        var left = wanted
        while !left.isEmpty {
            let gains = useful.map { left.intersection(holders[$0].partitions).count }
            let best = useful.indices.filter { gains[$0] > 0 }.max { first, second in
                let (one, two) = (useful[first], useful[second])
                let gain = chosen.isEmpty ? (0, 0) : (gains[first], gains[second])
                return (gain.0, -turns[one], ranks[one]) < (gain.1, -turns[two], ranks[two])
            }
            guard let best else { break }
            chosen.append(useful[best])
            left = left.subtracting(holders[useful[best]].partitions)
        }
        return withoutIdle(chosen, wanted)
    }

    /// Leaves out holders whose partitions the others of the set have, too.
    private func withoutIdle(_ chosen: [Int], _ wanted: PartitionSet) -> [Int] {
        var kept = chosen
        for holder in chosen.reversed() where kept.count > 1 && holder != chosen[0] {
            let others = kept.filter { $0 != holder }
            let covered = others.reduce(PartitionSet()) { $0.union(holders[$1].partitions) }
            if wanted.isSubset(of: covered) { kept = others }
        }
        return kept
    }

    /// Gives each partition to the chosen holder with the least work over all plans so far; partitions with the
    /// fewest choices first, since they leave no choice.
    private func spread(_ wanted: PartitionSet, over chosen: [Int], loads: inout [Int]) -> [CoverPart] {
        let choices = wanted.partitions.map { partition in
            (partition, chosen.filter { holders[$0].partitions.contains(partition) })
        }
        var parts = chosen.map { CoverPart(holder: $0, partitions: PartitionSet()) }
        for (partition, able) in choices.sorted(by: { ($0.1.count, $0.0) < ($1.1.count, $1.0) }) {
            guard let holder = able.min(by: { loads[$0] < loads[$1] }),
                let part = chosen.firstIndex(of: holder)
            else { continue }
            parts[part].partitions.insert(partition)
            loads[holder] += 1
        }
        return parts.filter { !$0.partitions.isEmpty }
    }
}
