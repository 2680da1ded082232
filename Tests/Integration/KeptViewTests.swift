// A router that starts while Kafka is away, beside nodes that live: it goes by the view it kept on disk.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct KeptViewTests {
    private static let instant = MembershipTests.instant

    private func metric(_ name: String, _ management: HTTPClient) throws -> Double? {
        let lines = try management.request("GET", "/metrics").text.split(separator: "\n")
        return lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    private func compare(
        _ count: Int, _ client: HTTPClient, _ reference: Reference, seed: UInt64, _ what: String
    ) throws {
        var requests = RequestGenerator(seed: seed, reference: reference)
        for index in 0..<count {
            let difference = try difference(
                requests.next(), client, reference, now: referenceMilliseconds(Self.instant))
            try #require(difference == nil, "seed \(seed), \(what), request \(index): \(difference ?? "")")
        }
    }

    @Test func aRouterStartsWithoutKafka() throws {
        let (binary, offer) = try #require(Prerequisites.met)
        var random = SeededGenerator.forTest()
        let seed = random.next()
        let reference = Reference()
        for message in try messages(of: offer) {
            reference.apply(message.kind, key: message.key, value: message.value)
        }
        let cluster = try Cluster(binary: binary)
        try cluster.publish(offer)
        try cluster.startNodes(2, replicas: 2)
        let first = try cluster.startRouter(now: Self.instant)
        try cluster.waitUntilApplied()
        try compare(100, first, reference, seed: seed, "with Kafka")
        try wait(seconds: 20, for: "the view to be kept") {
            try metric("router_view_unwritten", cluster.routers[0].management) == 0
        }

        cluster.broker.send(signal: SIGSTOP)
        // However the test ends, the broker must be able to.
        defer { cluster.broker.send(signal: SIGCONT) }
        cluster.routers[0].process.kill()
        let second = try cluster.startRouter(now: Self.instant, folder: 0)
        let management = cluster.routers[1].management
        try compare(300, second, reference, seed: seed &+ 1, "without Kafka")
        #expect(try management.request("GET", "/health").text.contains(#""view":"kept""#))
        #expect(try metric("router_view_kept", management) == 1)
        _ = try cluster.routers[1].process.waitForLine(containing: "goes by the view kept on disk")

        // A file that was damaged is told of and left alone: as without one, nobody is known.
        let damaged = cluster.folder.path + "/router-7"
        try FileManager.default.createDirectory(atPath: damaged, withIntermediateDirectories: true)
        var bytes = try #require(FileManager.default.contents(atPath: cluster.folder.path + "/router-0/view"))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: damaged + "/view"))
        let third = try cluster.startRouter(now: Self.instant, folder: 7, waits: false)
        _ = try cluster.routers[2].process.waitForLine(containing: "not gone by: it is damaged")
        _ = try cluster.routers[2].process.waitForLine(containing: "router listens")
        #expect(try third.request("GET", "/v1/api/app/myt/soccer?teamIds=t").status == 503)
        #expect(try cluster.routers[2].management.request("GET", "/health/ready").status == 503)

        cluster.broker.send(signal: SIGCONT)
        try wait(seconds: 60, for: "the control topic to be read") { try metric("router_view_kept", management) == 0 }
        try compare(100, second, reference, seed: seed &+ 2, "with Kafka again")
        #expect(try management.request("GET", "/health").text.contains(#""view":"live""#))
    }
}
