// Members that leave on purpose, share an id, or stand in zones: real processes.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct HandOverTests {
    /// Short times, so that silence is there soon.
    private static let quick = ["--cluster-heartbeat", "200ms", "--cluster-silent-after", "1s"]

    /// SIGTERM: the others load what the node holds, the routers hear of it, then it goes. No answer is lost.
    @Test func aStoppedNodeHandsOverFirst() throws {
        let (binary, football) = try #require(Prerequisites.met)
        let seed = SeededGenerator.forTest().seed
        let reference = try MembershipTests.footballReference(football)
        let cluster = try Cluster(binary: binary)
        try cluster.publish(football)
        try cluster.startNodes(3, replicas: 2, flags: Self.quick)
        let router = try cluster.startRouter(now: MembershipTests.instant)
        try cluster.waitUntilApplied()
        let leaving = cluster.nodes[0]
        leaving.process.send(signal: SIGTERM)
        var states: Set<String> = []
        var round = 0
        try wait(seconds: 40, for: "node-0 to end:\n\(leaving.process.output.suffix(2000))") {
            if let health = NodeHealth(leaving.management) {
                states.insert("\(health.state), \(health.safeToRemove ? "safe" : "needed")")
            }
            round += 1
            try MembershipTests.compare(20, router, reference, seed: seed &+ UInt64(round), "draining")
            return !leaving.process.isRunning
        }
        #expect(states.contains("draining, needed"), "\(states)")
        #expect(try leaving.process.waitForExit(seconds: 1) == 0)
        #expect(leaving.process.output.contains("drained"), "\(leaving.process.output.suffix(2000))")
        let held = cluster.nodes.dropFirst().compactMap { NodeHealth($0.management)?.ready }
        #expect(held == [Set(0..<Cluster.partitions), Set(0..<Cluster.partitions)])
        try MembershipTests.compare(200, router, reference, seed: seed, "two nodes left")
    }

    /// The only ready copy: the node whose place the others should take stands still, so it stays until its time is over.
    @Test func theOnlyReadyCopyStaysUntilTheDeadline() throws {
        let (binary, football) = try #require(Prerequisites.met)
        let cluster = try Cluster(binary: binary)
        try cluster.publish(football)
        try cluster.startNodes(2, replicas: 1, flags: Self.quick + ["--drain-timeout", "4s"])
        for number in 0..<2 { try cluster.waitUntilReady(node: number) }
        let (leaving, still) = (cluster.nodes[0], cluster.nodes[1])
        let mine = try #require(NodeHealth(leaving.management)).ready
        still.process.send(signal: SIGSTOP)
        defer { still.process.send(signal: SIGCONT) }
        leaving.process.send(signal: SIGTERM)
        let began = Date()
        var isEverSafe = false
        try wait(seconds: 20, for: "node-0 to end") {
            if let health = NodeHealth(leaving.management) {
                #expect(health.ready == mine)
                if health.safeToRemove { isEverSafe = true }
            }
            return !leaving.process.isRunning
        }
        #expect(!isEverSafe)
        #expect(Date().timeIntervalSince(began) >= 3.9)
        #expect(try leaving.process.waitForExit(seconds: 1) == 0)
        #expect(leaving.process.output.contains("drain.timeout is over"), "\(leaving.process.output.suffix(2000))")
    }

    /// A node alone has nobody to hand over to, and does not wait for anybody.
    @Test func aloneItGoesAtOnce() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let cluster = try Cluster(binary: binary)
        try cluster.startNodes(1, replicas: 2)
        try cluster.waitUntilReady(node: 0)
        cluster.nodes[0].process.send(signal: SIGTERM)
        #expect(try cluster.nodes[0].process.waitForExit(seconds: 10) == 0)
    }

    @Test func twoProcessesOfOneIDNeverBothServe() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let cluster = try Cluster(binary: binary)
        let flags = Self.quick + ["--node-id", "the-one"]
        try cluster.startNodes(1, replicas: 1, flags: flags)
        try cluster.waitUntilReady(node: 0)
        // The younger one sees the older one, and does not start.
        try cluster.startNodes(1, replicas: 1, flags: flags)
        let (first, second) = (cluster.nodes[0].process, cluster.nodes[1].process)
        #expect(try second.waitForExit(seconds: 20) == 69)
        #expect(second.output.contains("lives under node.id the-one"), "\(second.output.suffix(2000))")
        #expect(first.isRunning)
        // The older one is not heard for a while, the younger one starts: when it is heard again it steps down.
        first.send(signal: SIGSTOP)
        try cluster.startNodes(1, replicas: 1, flags: flags)
        try cluster.waitUntilReady(node: 2)
        first.send(signal: SIGCONT)
        #expect(try first.waitForExit(seconds: 20) == 69)
        #expect(first.output.contains("another process took over"), "\(first.output.suffix(2000))")
        #expect(cluster.nodes[2].process.isRunning)
    }

    @Test func holdersStandInDifferentZones() throws {
        let (binary, _) = try #require(Prerequisites.met)
        let cluster = try Cluster(binary: binary)
        for zone in ["east", "west", "west"] {
            try cluster.startNodes(1, replicas: 2, flags: Self.quick + ["--node-zone", zone])
        }
        for number in 0..<3 { try cluster.waitUntilReady(node: number) }
        let all = Set(0..<Cluster.partitions)
        // Alone in its zone it holds everything; the other two share it.
        try wait(seconds: 30, for: "the placement by zones") {
            let held = cluster.nodes.compactMap { NodeHealth($0.management)?.ready }
            guard held.count == 3 else { return false }
            return held[0] == all && held[1].union(held[2]) == all && held[1].isDisjoint(with: held[2])
        }
    }
}
