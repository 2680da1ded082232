// Random clusters: members beat, stop, restart, leave, drain and change on one log; their heartbeats carry what views
// of their own have read, as in production.

import Model
import Placement
import TestSupport
import Testing

@testable import Membership

private struct RandomCluster {
    var random: SeededGenerator
    var log = ClusterLog()
    var live: [ID: Heartbeat] = [:]
    /// One reader of everything, whose view every heartbeat carries, but late by up to some records.
    var history: [MembershipView] = [MembershipView()]

    mutating func round(quiet: Bool = false) throws {
        for number in 0..<8 {
            let id = "m\(number)"
            if !quiet, Int.random(in: 0..<20, using: &random) == 0 { try change(id) }
            guard let heartbeat = live[makeID(id)] else { continue }
            try beat(heartbeat)
        }
    }

    mutating func beat(_ heartbeat: Heartbeat) throws {
        var written = heartbeat
        let seen = history[max(0, history.count - Int.random(in: 1...5, using: &random))]
        written.generationSeen = seen.generation
        written.clockMs = seen.clockMs
        log.append(written, afterMs: 1_000 / Int64(max(live.count, 1)))
        try read()
    }

    mutating func read() throws {
        var view = history[history.count - 1]
        try view.apply(log.last)
        history.append(view)
    }

    private mutating func change(_ id: String) throws {
        let key = makeID(id)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: live[key] = nil
        case 1:
            guard let last = live.removeValue(forKey: key)?.farewell else { return }
            log.append(last)
            try read()
        case 2: live[key]?.weight = Int.random(in: 1...4, using: &random)
        case 3: live[key]?.state = .draining
        default: live[key] = makeNode(id, life: Int64(log.entries.count + 2), ready: [number(id)])
        }
    }

    private func number(_ id: String) -> Int { Int(id.dropFirst()) ?? 0 }
}

struct ConvergenceTests {
    @Test(arguments: 0..<40)
    func readersOfOnePrefixAgreeAndLateOnesConverge(round: Int) throws {
        var cluster = RandomCluster(random: SeededGenerator.forTest())
        let seed = cluster.random.seed
        for _ in 0..<100 { try cluster.round() }
        if cluster.live.isEmpty { cluster.live[makeID("m0")] = makeNode("m0", life: 10_000) }
        try cluster.round(quiet: true)
        // Late readers begin at any place and take part themselves, as routers do.
        let start = Int.random(in: 0...cluster.log.entries.count, using: &cluster.random)
        var late = MembershipView()
        for entry in cluster.log.entries[start...] { try late.apply(entry) }
        // Everyone writes until the longest grace is over.
        var next = cluster.log.entries.count
        for _ in 0..<70 {
            try cluster.round(quiet: true)
            for entry in cluster.log.entries[next...] { try late.apply(entry) }
            var router = makeRouter("late", seen: late.generation.rawValue)
            router.clockMs = late.clockMs
            cluster.log.append(router)
            try cluster.read()
            try late.apply(cluster.log.last)
            next = cluster.log.entries.count
        }
        var again = MembershipView()
        for (index, entry) in cluster.log.entries.enumerated() {
            try again.apply(entry)
            #expect(again == cluster.history[index + 1], "seed \(seed) at \(index)")
        }
        #expect(late.generation == again.generation, "seed \(seed) start \(start)")
        #expect(late.placementMembers == again.placementMembers, "seed \(seed) start \(start)")
        #expect(late.readyHolders == again.readyHolders, "seed \(seed) start \(start)")
        let expected = Set(cluster.live.keys).union([makeID("late")])
        #expect(Set(again.members.map(\.heartbeat.id)) == expected, "seed \(seed)")
    }
}
