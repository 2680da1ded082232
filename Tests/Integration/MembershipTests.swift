// Nodes that come and go, and every way to run the parts: what is answered stays right.

import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct MembershipTests {
    static let instant = "2018-12-26T00:00:00Z"

    /// A reference of the football fixtures.
    static func footballReference(_ football: String) throws -> Reference {
        let reference = Reference()
        for message in try messages(of: football) {
            reference.apply(message.kind, key: message.key, value: message.value)
        }
        return reference
    }

    static func compare(
        _ count: Int, _ client: HTTPClient, _ reference: Reference, seed: UInt64, _ round: String
    ) throws {
        let now = referenceMilliseconds(instant)
        var requests = RequestGenerator(seed: seed, reference: reference)
        for index in 0..<count {
            if let difference = try difference(requests.next(), client, reference, now: now) {
                Issue.record("seed \(seed), \(round), request \(index): \(difference)")
                return
            }
        }
    }

    /// With two replicas on three nodes, one node that vanishes without a word costs no answer: not while it dies, not
    /// while others have yet to hear of it, and not when it is back.
    @Test func aVanishedNodeCostsNoAnswer() throws {
        let (binary, football) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let seed = random.next()
        let reference = try Self.footballReference(football)
        let cluster = try Cluster(binary: binary)
        try cluster.publish(football)
        try cluster.startNodes(3, replicas: 2)
        let router = try cluster.startRouter(now: Self.instant)
        try cluster.waitUntilApplied()
        try Self.compare(200, router, reference, seed: seed, "undisturbed")
        for victim in 0..<3 {
            cluster.nodes[victim].process.kill()
            try Self.compare(300, router, reference, seed: seed &+ UInt64(victim), "node \(victim) killed")
            try cluster.restartNode(victim, replicas: 2)
            try Self.compare(100, router, reference, seed: seed, "node \(victim) back")
        }
    }

    /// One process on one machine, as the original was deployed: everything is read in place.
    @Test func serveAloneAgreesWithTheReference() throws { try compareServer(nodes: 0, replicas: "max") }

    /// `serve` as a member among nodes: its own partitions in place, the others over links.
    @Test func serveAmongNodesAgreesWithTheReference() throws { try compareServer(nodes: 2, replicas: "1") }

    private func compareServer(nodes: Int, replicas: String) throws {
        let (binary, football) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let seed = random.next()
        let reference = try Self.footballReference(football)
        let cluster = try Cluster(binary: binary)
        try cluster.publish(football)
        try cluster.startNodes(nodes, replicas: 1)
        let server = try cluster.startServer(now: Self.instant, replicas: replicas)
        try Self.compare(500, server, reference, seed: seed, "serve among \(nodes) nodes")
    }
}
