// Answers in gzip, as clients and caches see them: three processes of one cluster, of which one keeps no packed fragments,
// one keeps some and one all, so that most answers are joined of parts that came packed and parts that did not.

import Foundation
import Model
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct GzipTests {
    private static let target = "/v1/api/app/mym/soccer?eventIds=e1,e2&teamIds=t3"
    private static let gzip = [("Accept-Encoding", "gzip")]

    private struct Setup {
        let kafka: TestKafka
        let reference = Reference()
        var served: [Served] = []

        init(budgets: [Int]) throws {
            kafka = try TestKafka(binary: try #require(Prerequisites.met).binary)
            try SmallOffer().publish(try kafka.producer(), reference)
            for (index, budget) in budgets.enumerated() {
                let name = "serve-\(index)"
                served.append(
                    try Served(
                        kafka, name: name,
                        ["--http-gzip", "on", "--store-gzip-bytes-max", "\(budget)", "--node-id", name], waits: false))
            }
            for process in served {
                try process.waitUntilReady()
                try process.waitUntilRight(GzipTests.target, reference)
            }
        }
    }

    @Test func everyRouterSendsTheSameBytes() throws {
        // The participants, which every process holds, take more than the second one's room; who holds the events, and so
        // has more to pack, the placement decides.
        let setup = try Setup(budgets: [0, 300, 1 << 30])
        let seed = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment).seed
        var generator = RequestGenerator(seed: seed, reference: setup.reference, sports: ["soccer"])
        var compared = 0
        while compared < 60 {
            let request = generator.next()
            let expected = setup.reference.answer(target: request.target, now: Served.nowMs)
            guard request.method == "GET", expected.status == 200, let body = expected.body else { continue }
            compared += 1
            var last: HTTPResponse?
            for process in setup.served {
                let plain = try process.client.request("GET", request.target)
                let packed = try process.client.request("GET", request.target, headers: Self.gzip)
                #expect(plain.body == body && plain["content-encoding"] == nil, "seed \(seed): \(request.target)")
                #expect(gunzip(packed.body) == body, "seed \(seed): \(request.target)")
                #expect(packed["content-encoding"] == "gzip" && packed["etag"] != plain["etag"])
                #expect(plain["vary"] == "Accept-Encoding" && packed["vary"] == "Accept-Encoding")
                #expect(
                    last == nil || packed.body == last?.body && packed["etag"] == last?["etag"],
                    "seed \(seed): \(request.target)")
                last = packed
            }
        }
        #expect(try setup.served[0].metric("gzip_packed_fragments_total") > 0)
        #expect(try setup.served[0].metric("store_gzip_bytes") == 0)
        #expect(try setup.served[1].metric("store_gzip_unpacked_total") > 0)
        #expect(try setup.served[2].metric("store_gzip_unpacked_total") == 0)
        #expect(
            try setup.served[2].metric("store_gzip_bytes") > setup.served[1].metric("store_gzip_bytes")
                && setup.served[1].metric("store_gzip_bytes") >= 300)
    }

    /// A tag stands for one encoding, and is compared with that of the one that would be sent.
    @Test func conditionsAndHeads() throws {
        let setup = try Setup(budgets: [1 << 30])
        let client = setup.served[0].client
        let plain = try client.request("GET", Self.target)
        let packed = try client.request("GET", Self.target, headers: Self.gzip)
        let tags = try (plain: #require(plain["etag"]), packed: #require(packed["etag"]))
        #expect(tags.plain != tags.packed && packed.body.count < plain.body.count)
        for (encoding, tag, status) in [
            ("gzip", tags.packed, 304), ("gzip", tags.plain, 200), ("identity", tags.plain, 304),
            ("identity", tags.packed, 200), ("gzip;q=0, *", tags.plain, 304), ("*", tags.packed, 304),
            ("gzip;q=0.1, identity;q=0.2", tags.packed, 200), ("nonsense;", tags.plain, 304),
            ("x-gzip", tags.packed, 304),
            ("br", "W/\(tags.plain)", 304), ("gzip", "\(tags.plain), W/\(tags.packed)", 304), ("gzip", "*", 304),
        ] {
            let headers = [("Accept-Encoding", encoding), ("If-None-Match", tag)]
            let response = try client.request("GET", Self.target, headers: headers)
            #expect(response.status == status, "\(headers)")
            #expect(response["vary"] == "Accept-Encoding", "\(headers)")
            let isGzip = encoding.hasPrefix("gzip") && !encoding.contains("q=0") || "*x-gzip".contains(encoding)
            #expect(response["etag"] == (isGzip ? tags.packed : tags.plain), "\(headers)")
            #expect(response["content-length"] == "\((isGzip ? packed : plain).body.count)", "\(headers)")
            #expect(response["content-encoding"] == (isGzip && status == 200 ? "gzip" : nil), "\(headers)")
        }
        for (headers, full) in [([], plain), (Self.gzip, packed)] {
            let head = try client.request("HEAD", Self.target, headers: headers)
            // What is of the moment of each answer.
            let moment = ["date", "favorites-freshness-ms"]
            let names = full.headers.filter { !moment.contains($0.name) }
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(head.headers.filter { !moment.contains($0.name) }.map { "\($0)" } == names.map { "\($0)" })
        }
        let two = try client.request(
            "GET", Self.target, headers: [("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")])
        #expect(two.body == packed.body)
        let problem = try client.request("GET", "/v1/api/app/mym/soccer", headers: Self.gzip)
        #expect(problem.status == 400 && problem["content-encoding"] == nil && problem["vary"] == nil)
    }

    @Test func offNothingVaries() throws {
        let kafka = try TestKafka(binary: try #require(Prerequisites.met).binary)
        let reference = Reference()
        try SmallOffer().publish(try kafka.producer(), reference)
        let served = try Served(kafka)
        try served.waitUntilRight(Self.target, reference)
        let plain = try served.client.request("GET", Self.target)
        let asked = try served.client.request("GET", Self.target, headers: Self.gzip)
        #expect(asked.body == plain.body && asked["etag"] == plain["etag"])
        #expect(asked["vary"] == nil && asked["content-encoding"] == nil)
    }
}
