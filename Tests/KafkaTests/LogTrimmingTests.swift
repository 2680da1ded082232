import Kafka
import Model
import Testing

private func log(_ start: Int64, _ end: Int64) -> LogBounds { LogBounds(start: Offset(start), end: Offset(end)) }

@Suite(.timeLimit(.minutes(1)))
struct LogTrimmingTests {
    @Test func aWholeLogIsNone() {
        #expect(LogTrimming([]) == nil)
        #expect(LogTrimming([log(0, 0), log(0, 1_000_000)]) == nil)
    }

    @Test(
        arguments: [
            // A partition holds 100: 300 were written, a quarter to spare.
            ([log(200, 300)], 200, 1, 4),
            // The smallest of the full ones counts, and what is in the others counts too.
            ([log(100, 200), log(10, 60), log(0, 40)], 110, 2, 8),
            // Little was lost, but one partition more is the least that helps.
            ([log(1, 2_000), log(0, 1), log(0, 1), log(0, 1)], 1, 1, 5),
            ([log(99_000, 100_000)], 99_000, 1, 125),
        ] as [([LogBounds], Int64, Int, Int)])
    func theAdviceFollowsFromWhatAFullPartitionHolds(logs: [LogBounds], lost: Int64, trimmed: Int, needed: Int) throws {
        let trimming = try #require(LogTrimming(logs))
        #expect(trimming.messagesLost == lost)
        #expect(trimming.partitionsTrimmed == trimmed)
        #expect(trimming.partitionsNeeded == needed)
        #expect(trimming.advice(isGlobal: false).contains("broker --partitions \(needed)`"))
        #expect(trimming.advice(isGlobal: true).contains("broker --global-partitions \(needed)`"))
    }

    @Test func beyond512PartitionsItSaysSo() throws {
        #expect(try #require(LogTrimming([log(1_000_000, 1_000_100)])).partitionsNeeded == nil)
        #expect(try #require(LogTrimming([log(5, 5)])).partitionsNeeded == 6)
    }

    @Test func theBoundsOfAllPartitionsComeAtOnce() throws {
        let harness = try Harness(topics: ["a": 3, "b": 512])
        let producer = try harness.producer()
        try publish([([1], [1]), ([1], [2])], to: 0, partition: PartitionID(2), with: producer)
        try publish([([1], [1])], to: 1, partition: PartitionID(511), with: producer)
        let admin = try KafkaAdmin(options: harness.options, logger: quiet)
        let bounds = try admin.bounds(of: ["a": 3, "b": 512])
        #expect(bounds["a"] == [log(0, 0), log(0, 0), log(0, 2)])
        #expect(bounds["b"] == Array(repeating: log(0, 0), count: 511) + [log(0, 1)])
        #expect(try admin.bounds(of: "a", PartitionID(2)) == log(0, 2))
    }
}
