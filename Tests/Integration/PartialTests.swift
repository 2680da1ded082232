// What is answered when a partition has no live holder.

import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct PartialTests {
    /// Two nodes, each partition on one of them. One vanishes.
    @Test func withoutHoldersItIs503OrWhereAllowedWhatThereIs() throws {
        let (binary, offer) = try #require(Prerequisites.met)
        let cluster = try Cluster(binary: binary)
        try cluster.publish(offer)
        try cluster.startNodes(2, replicas: 1)
        let instant = ClusterTests.instants[0]
        let strict = try cluster.startRouterManaged(now: instant, arguments: ["--cluster-replicas", "1"])
        let partial = try cluster.startRouterManaged(
            now: instant, arguments: ["--cluster-replicas", "1", "--router-partial-answers", "on"])
        try cluster.waitUntilSpread(replicas: 1)
        try cluster.waitUntilApplied()
        // A team may have events anywhere, so all partitions are needed.
        let target = "/v1/api/app/mym/soccer?teamIds=nobody"
        for router in [strict, partial] {
            let whole = try router.http.request("GET", target)
            #expect(whole.status == 200)
            #expect(whole["etag"] != nil)
            #expect(whole["favorites-partial"] == nil)
        }

        cluster.nodes[0].process.kill()
        let refused = try strict.http.request("GET", target)
        #expect(refused.status == 503)
        #expect(refused["retry-after"] == "1")
        #expect(refused["content-type"] == "application/problem+json")
        #expect(refused["favorites-partial"] == nil)

        for headers in [[], [("If-None-Match", "*")]] {
            let answer = try partial.http.request("GET", target, headers: headers)
            #expect(answer.status == 200)
            #expect(answer["favorites-partial"] == "true")
            #expect(answer["cache-control"] == "no-store")
            #expect(answer["etag"] == nil)
            #expect(answer.text.hasPrefix("{\"sport\":\"soccer\",\"total\":0,"))
        }
        // My teams need no partition: one node is enough.
        #expect(try strict.http.request("GET", "/v1/api/app/myt/soccer?teamIds=nobody").status == 200)
        for router in [strict, partial] {
            try wait(seconds: 20, for: "a reason in the metrics") {
                try router.management.request("GET", "/metrics").text.split(separator: "\n").contains {
                    $0.hasPrefix("router_no_holder_total{reason=") && !$0.hasSuffix(" 0")
                }
            }
        }

        try cluster.restartNode(0, replicas: 1)
        for router in [strict, partial] {
            try wait(seconds: 30, for: "the whole answer") {
                let answer = try router.http.request("GET", target)
                return answer.status == 200 && answer["etag"] != nil && answer["favorites-partial"] == nil
            }
        }
    }
}
