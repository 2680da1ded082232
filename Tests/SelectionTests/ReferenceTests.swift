import Foundation
import Model
import Store
import TestSupport
import Testing

@Suite struct ReferenceTests {
    static let now = Timestamp("2018-12-26T00:00:00Z") ?? Timestamp(milliseconds: 0)

    /// A small offer on which random updates and requests meet often.
    static func load(_ pipeline: Pipeline, random: inout SeededGenerator) {
        for region in 0..<4 {
            send(
                pipeline, .region, "r\(region)",
                #"{"id":"r\#(region)","name":"Région \#(region)","code":"R\#(region)"}"#)
        }
        for season in 0..<3 {
            send(pipeline, .season, "s\(season)", #"{"id":"s\#(season)","name":"20\#(season)/2\#(season)"}"#)
        }
        for category in 0..<5 {
            send(
                pipeline, .category, "c\(category)",
                #"{"id":"c\#(category)","sport":"soccer","name":"C\#(category)","regionId":"r\#(category % 5)"}"#)
        }
        for stage in 0..<8 {
            send(
                pipeline, .stage, "st\(stage)",
                #"{"id":"st\#(stage)","sport":"soccer","name":"Stage \#(stage % 3)","categoryId":"c\#(stage % 6)","seasonId":"s\#(stage % 4)","positionScores":\#(stage % 3)}"#
            )
        }
        for team in 0..<20 {
            send(
                pipeline, .participant, "p\(team)",
                #"{"id":"p\#(team)","sport":"\#(team % 7 == 0 ? "tennis" : "soccer")","name":"Team \#(team % 9)","regionId":"r\#(team % 5)"}"#
            )
        }
        for event in 0..<300 {
            let start = now.milliseconds + Int64.random(in: -40...200, using: &random) * 3_600_000
            let (home, away) = (Int.random(in: 0..<22, using: &random), Int.random(in: 0..<22, using: &random))
            let sport = event % 11 == 0 ? "tennis" : "soccer"
            send(
                pipeline, .event, "e\(event)",
                #"{"id":"e\#(event)","sport":"\#(sport)","stageId":"st\#(event % 10)","scheduledStart":"\#(Timestamp(milliseconds: start))","status":"NOT_STARTED","participants":[{"id":"p\#(home)"},{"id":"p\#(away)"}]}"#
            )
        }
    }

    private static func send(_ pipeline: Pipeline, _ kind: ModelKind, _ key: String, _ value: String) {
        let agree = pipeline.apply(kind, key: Array(key.utf8), value: Array(value.utf8))
        #expect(agree, "\(key)")
    }

    static func compare(
        _ pipeline: Pipeline, requests: Int, seed: UInt64, now: Timestamp = ReferenceTests.now, sports: [String]
    ) throws {
        var generator = RequestGenerator(seed: seed, reference: pipeline.reference, sports: sports)
        for _ in 0..<requests {
            let request = generator.next()
            guard request.method == "GET" else { continue }
            let expected = pipeline.reference.answer(target: request.target, now: now.milliseconds)
            let whole = pipeline.answer(request.target, now: now, holders: 1)
            #expect(whole.status == expected.status, "seed \(seed): \(request.target)")
            guard expected.status == 200, let body = expected.body else { continue }
            let isSame = whole.body == body
            try #require(
                isSame,
                "seed \(seed): \(request.target)\n\(String(decoding: whole.body, as: UTF8.self))\n\(String(decoding: body, as: UTF8.self))"
            )
            let split = pipeline.answer(request.target, now: now, holders: 3)
            let isSameSplit = split.body == body && split.etag == whole.etag
            try #require(isSameSplit, "seed \(seed), three holders: \(request.target)")
            try compareGzip(pipeline, request.target, now, to: body, seed)
        }
    }

    /// One body for all, whoever packed its fragments, and zlib reads the answer in it.
    private static func compareGzip(
        _ pipeline: Pipeline, _ target: String, _ now: Timestamp, to body: [UInt8], _ seed: UInt64
    ) throws {
        let whole = pipeline.answer(target, now: now, holders: 1, isGzip: true)
        let isRead = gunzip(whole.body) == body
        try #require(isRead, "seed \(seed), gzip: \(target)")
        let split = pipeline.answer(target, now: now, holders: 3, isGzip: true)
        let plain = pipeline.answer(target, now: now, holders: 2, isGzip: true, takesPacked: false)
        let isSame = split.body == whole.body && plain.body == whole.body
        try #require(isSame, "seed \(seed), gzip of three holders or packed here: \(target)")
        let tags = Set([whole.etag, split.etag, plain.etag])
        #expect(tags.count == 1 && !tags.contains(pipeline.answer(target, now: now, holders: 1).etag))
    }

    /// A bulk load: events stand in no team's list until their partition is ready, also those whose participants
    /// changed, whose start moved, or that were deleted meanwhile.
    @Test(arguments: 0..<4) func aBulkLoadAgreesWithTheReference(round: Int) throws {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let seed = random.seed &+ UInt64(round)
        random = SeededGenerator(seed: seed)
        let pipeline = Pipeline(isReady: false, packedBytesMax: 1 << 30)
        Self.load(pipeline, random: &random)
        var updates = UpdateGenerator(seed: seed, reference: pipeline.reference)
        for _ in 0..<400 {
            let update = updates.next()
            _ = pipeline.apply(update.kind, key: update.key, value: update.value)
            if Bool.random(using: &random) { _ = pipeline.writer.rerender(budget: 3) }
        }
        pipeline.setReady()
        pipeline.settle()
        try Self.compare(pipeline, requests: 150, seed: seed, sports: ["soccer", "tennis"])
        for _ in 0..<200 {
            let update = updates.next()
            _ = pipeline.apply(update.kind, key: update.key, value: update.value)
        }
        pipeline.settle()
        try Self.compare(pipeline, requests: 100, seed: seed &+ 1, sports: ["soccer", "tennis"])
    }

    @Test(arguments: 0..<6) func agreesWithTheReferenceUnderRandomUpdates(round: Int) throws {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let seed = random.seed &+ UInt64(round)
        random = SeededGenerator(seed: seed)
        // Without packed fragments, with room for some, with room for all.
        let pipeline = Pipeline(packedBytesMax: [0, 20_000, 1 << 30][round % 3])
        Self.load(pipeline, random: &random)
        pipeline.settle()
        #expect(round % 3 != 1 || pipeline.writer.unpackedCount > 0)
        try Self.compare(pipeline, requests: 100, seed: seed, sports: ["soccer", "tennis"])
        var updates = UpdateGenerator(seed: seed, reference: pipeline.reference)
        for step in 0..<20 {
            for _ in 0..<60 {
                let update = updates.next()
                let agree = pipeline.apply(update.kind, key: update.key, value: update.value)
                #expect(
                    agree, "seed \(seed): \(String(decoding: update.value ?? [], as: UTF8.self))")
                if Bool.random(using: &random) { _ = pipeline.writer.rerender(budget: 3) }
            }
            pipeline.settle()
            try Self.compare(pipeline, requests: 30, seed: seed &+ UInt64(step), sports: ["soccer", "tennis"])
        }
    }
}
