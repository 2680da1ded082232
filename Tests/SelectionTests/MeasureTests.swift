import Decode
import Foundation
import Model
import Placement
import Query
import Selection
import Store
import Testing

/// Figures of the data path on real fixtures; they gate nothing. FAVORITES_TEST_MEASURE is the number of requests:
/// FAVORITES_TEST_GZIP packs the fragments when they are applied, else they are when they are asked for.
/// `FAVORITES_TEST_MEASURE=500000 swift test -c release -Xswiftc -enable-testing --filter MeasureTests`.
@Suite struct MeasureTests {
    private struct Sample {
        var kind: ModelKind
        var key: [UInt8]
        var value: [UInt8]
    }

    private static let partitions = 12
    private static let environment = ProcessInfo.processInfo.environment

    private static var folder: String {
        environment["FAVORITES_SHARED_DATA"]
            ?? URL(filePath: #filePath).appending(path: "../../../../shared/data").standardizedFileURL.path
    }

    /// The lines are `{"key":"…","value":{…}}`; the keys are plain.
    private static func read(_ kind: ModelKind) throws -> [Sample] {
        let gzip = Process()
        let pipe = Pipe()
        gzip.executableURL = URL(filePath: "/usr/bin/env")
        gzip.arguments = ["gzip", "-dc", "\(folder)/football/\(kind.plural).ndjson.gz"]
        gzip.standardOutput = pipe
        try gzip.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        gzip.waitUntilExit()
        return data.split(separator: 0x0A).map { line in
            let line = Array(line)
            let end = line[8...].firstIndex(of: 0x22) ?? 8
            return Sample(kind: kind, key: Array(line[8..<end]), value: Array(line[(end + 10)..<(line.count - 1)]))
        }
    }

    @Test(.enabled(if: environment["FAVORITES_TEST_MEASURE"] != nil))
    func figures() throws {
        let requests = Self.environment["FAVORITES_TEST_MEASURE"].flatMap { Int($0) } ?? 0
        guard FileManager.default.fileExists(atPath: "\(Self.folder)/football/events.ndjson.gz") else {
            print("SKIPPED: no data at \(Self.folder); set FAVORITES_SHARED_DATA")
            return
        }
        var samples: [Sample] = []
        for kind in ModelKind.allCases.reversed() { samples += try Self.read(kind) }
        let store = Store(partitionCounts: [Self.partitions, 1, 1, 1, 1, 1])
        let packedBytesMax = Self.environment["FAVORITES_TEST_GZIP"] == nil ? 0 : 1 << 40
        let writer = StoreWriter(store, packedBytesMax: packedBytesMax)
        measureApply(samples, writer)
        for partition in 0..<Self.partitions { writer.setReady([PartitionID(partition)]) }
        writer.setGlobalsReady()
        measureRequests(samples, StoreHolder(store, nowMs: { 0 }), requests, isGzip: false)
        measureRequests(samples, StoreHolder(store, nowMs: { 0 }), requests, isGzip: true)
    }

    private func measureApply(_ samples: [Sample], _ writer: StoreWriter) {
        var decoder = Decoder()
        var messages: [(message: Message, arena: MessageArena, partition: PartitionID)] = []
        let clock = ContinuousClock()
        for sample in samples {
            var arena = MessageArena()
            let message = try? decoder.decode(sample.kind, key: sample.key.span, value: sample.value.span, into: &arena)
            let partition = Partitioner.partition(
                of: sample.key.span, partitions: sample.kind == .event ? Self.partitions : 1)
            if let message { messages.append((message, arena, partition)) }
        }
        for round in ["load", "again"] {
            let time = clock.measure {
                for (offset, entry) in messages.enumerated() {
                    apply(entry.message, entry.arena, entry.partition, Offset(Int64(offset)), writer)
                    if offset % 1_000 == 999 { writer.reclaim() }
                }
                while writer.rerender(budget: 500) { writer.reclaim() }
                writer.reclaim()
            }
            print("\(round): \(messages.count) messages, \(Self.rate(messages.count, time)) a second")
        }
        print(
            "memory: \(writer.memoryBytes) bytes of records, \(writer.packedBytes) of them packed fragments, capacity \(writer.tableCapacity)"
        )
    }

    private func apply(
        _ message: Message, _ arena: MessageArena, _ partition: PartitionID, _ offset: Offset, _ writer: StoreWriter
    ) {
        switch message {
        case .event(let event): _ = writer.apply(event, arena, partition: partition, offset: offset)
        case .participant(let model): _ = writer.apply(model, arena, partition: partition, offset: offset)
        case .stage(let model): _ = writer.apply(model, arena, partition: partition, offset: offset)
        case .season(let model): _ = writer.apply(model, arena, partition: partition, offset: offset)
        case .region(let model): _ = writer.apply(model, arena, partition: partition, offset: offset)
        case .category(let model): _ = writer.apply(model, arena, partition: partition, offset: offset)
        }
    }

    private func measureRequests(_ samples: [Sample], _ holder: StoreHolder, _ requests: Int, isGzip: Bool) {
        let events = samples.filter { $0.kind == .event }.compactMap { ID($0.key.span) }
        let teams = samples.filter { $0.kind == .participant }.compactMap { ID($0.key.span) }
        let queries = (0..<1_000).map { index in
            let request = Request.matches(
                MatchesRequest(
                    sport: .soccer,
                    eventIDs: (0..<10).map { events[(index * 97 + $0 * 9_001) % events.count] }.sorted(),
                    teamIDs: (0..<3).map { teams[(index * 31 + $0 * 401) % teams.count] }.sorted(), limit: 350,
                    offset: 0))
            return HolderQuery(
                request: request, partitions: PartitionSet(below: Self.partitions),
                now: Timestamp("2018-12-26T00:00:00Z") ?? .earliest, eventsPerTeamMax: 3,
                matchesRemainMs: 12 * 3_600_000, takesPacked: isGzip)
        }
        var builder = AnswerBuilder()
        var body = [UInt8](repeating: 0, count: 1 << 20)
        var (bytes, shown) = (0, 0)
        let time = ContinuousClock().measure {
            for index in 0..<requests {
                let query = queries[index % queries.count]
                builder.begin(query.request, eventsPerTeamMax: query.eventsPerTeamMax, isGzip: isGzip)
                unsafe holder.answer(
                    query, needs: PositionNeeds(), knowing: nil,
                    part: { part, _, _ in
                        unsafe builder.add(part, rank: 0)
                        builder.finish()
                        unsafe body.withUnsafeMutableBytes {
                            unsafe builder.write(to: UnsafeMutableRawBufferPointer(rebasing: $0[..<builder.bodyCount]))
                        }
                    }, refused: { _ in })
                bytes += builder.bodyCount
                shown += builder.total
            }
        }
        print(
            "\(isGzip ? "gzip " : "")requests: \(Self.rate(requests, time)) a second, \(bytes / max(1, requests)) bytes and "
                + "\(Double(shown) / Double(max(1, requests))) events each")
    }

    private static func rate(_ count: Int, _ time: Duration) -> Int { Int(Double(count) / (time / .seconds(1))) }
}
