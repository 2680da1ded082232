// The messages of an offer folder as a source of records, laid out in memory beforehand: what ingest costs without Kafka.

import Foundation
public import Model
import Placement

/// A message, as places in the prepared bytes.
struct PreparedMessage {
    var source: TopicPartition
    var key: Range<Int>
    var value: Range<Int>
}

/// Hands over the messages of an offer, then, where asked to, updates of its events. Used by one thread.
public final class PreparedSource: RecordSource {
    /// Messages of one partition that stand together, as a fetched batch would bring them.
    static let run = 100

    public let partitionCounts: [Int]
    let bytes: [UInt8]
    var events: [PreparedMessage] { messages[1] }
    private let messages: [[PreparedMessage]]
    private var ends: [[Int]]
    private var offsets: [[Int64]]
    /// Updates, handed over again and again once all messages were.
    public var updates: UpdateStream?
    private var phase = 0
    private var next = 0
    private var startedOf = [0, 0]

    /// Back to the first message, for another store.
    public func rewind() {
        (phase, next, startedOf) = (0, 0, [0, 0])
        offsets = partitionCounts.map { Array(repeating: 0, count: $0) }
    }

    public var messageCount: Int { messages[0].count + messages[1].count }

    /// Reads a folder that `favorites generate --plain` wrote.
    public init(folder: String, partitionCounts: [Int]) throws {
        self.partitionCounts = partitionCounts
        var all: [UInt8] = []
        var prepared: [[PreparedMessage]] = [[], []]
        for kind in ModelKind.allCases {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(kind.plural).ndjson"))
            let base = all.count
            all += data
            let found = Self.split(all, from: base, kind, partitionCounts[Int(kind.rawValue)])
            prepared[kind == .event ? 1 : 0] += Self.interleave(found)
        }
        // In the order in which they are handed over, as a client has them.
        var moved: [UInt8] = []
        moved.reserveCapacity(all.count)
        for phase in prepared.indices {
            for index in prepared[phase].indices {
                prepared[phase][index].key = Self.move(all[prepared[phase][index].key], to: &moved)
                prepared[phase][index].value = Self.move(all[prepared[phase][index].value], to: &moved)
            }
        }
        bytes = moved
        messages = prepared
        ends = partitionCounts.map { Array(repeating: 0, count: $0) }
        offsets = partitionCounts.map { Array(repeating: 0, count: $0) }
        for message in prepared.joined() {
            ends[Int(message.source.kind.rawValue)][Int(message.source.partition.rawValue)] += 1
        }
    }

    /// Lines of `{"key":"…","value":…}` whose keys need no escape.
    private static func split(_ all: [UInt8], from base: Int, _ kind: ModelKind, _ partitions: Int)
        -> [PreparedMessage]
    {
        var found: [PreparedMessage] = []
        let opening = Array("{\"key\":\"".utf8).count
        let middle = Array("\",\"value\":".utf8).count
        var start = base
        while start < all.count {
            guard let end = all[start...].firstIndex(of: 10) else { break }
            let keyStart = start + opening
            guard let keyEnd = all[keyStart..<end].firstIndex(of: 0x22) else { break }
            let key = Array(all[keyStart..<keyEnd])
            let partition = Partitioner.partition(of: key.span, partitions: partitions)
            found.append(
                PreparedMessage(
                    source: TopicPartition(kind, partition), key: keyStart..<keyEnd, value: keyEnd + middle..<end - 1))
            start = end + 1
        }
        return found
    }

    private static func move(_ part: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Range<Int> {
        let start = bytes.count
        bytes += part
        return start..<bytes.count
    }

    /// In runs of each partition, one partition after the other.
    private static func interleave(_ messages: [PreparedMessage]) -> [PreparedMessage] {
        var byPartition: [PartitionID: [PreparedMessage]] = [:]
        for message in messages { byPartition[message.source.partition, default: []].append(message) }
        let lists = byPartition.sorted { $0.key.rawValue < $1.key.rawValue }.map(\.value)
        var result: [PreparedMessage] = []
        var from = 0
        while result.count < messages.count {
            for list in lists where from < list.count { result += list[from..<min(from + run, list.count)] }
            from += run
        }
        return result
    }

    // MARK: - RecordSource

    public func partitionCount(of kind: ModelKind) -> Int? { partitionCounts[Int(kind.rawValue)] }

    public func bounds(of partitions: [TopicPartition]) -> [LogBounds?] {
        partitions.map {
            LogBounds(
                start: Offset(0), end: Offset(Int64(ends[Int($0.kind.rawValue)][Int($0.partition.rawValue)])))
        }
    }

    public func lastKnownEnd(of partition: TopicPartition) -> Offset? { bounds(of: [partition])[0]?.end }

    public func start(_ partition: TopicPartition, at offset: Offset) {
        startedOf[partition.kind == .event ? 1 : 0] += 1
    }

    public func stop(_ partition: TopicPartition) {}

    public func poll(recordsMax: Int, timeoutMs: Int, record: (Record) -> Void, event: (SourceEvent) -> Void) {
        guard phase < messages.count else {
            updates?.poll(recordsMax: recordsMax, timeoutMs: timeoutMs) { unsafe hand($0, $1, record) }
            return
        }
        guard startedOf[phase] > 0 else { return }
        let end = min(next + recordsMax, messages[phase].count)
        for index in next..<end { unsafe hand(messages[phase][index], bytes, record) }
        next = end
        if next == messages[phase].count { (phase, next) = (phase + 1, 0) }
    }

    private func hand(_ message: PreparedMessage, _ bytes: [UInt8], _ record: (Record) -> Void) {
        let (kind, partition) = (Int(message.source.kind.rawValue), Int(message.source.partition.rawValue))
        let offset = offsets[kind][partition]
        offsets[kind][partition] = offset + 1
        unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe record(
                Record(
                    source: message.source, offset: Offset(offset), timestampMs: 0,
                    key: UnsafeBufferPointer(rebasing: bytes[message.key]),
                    value: UnsafeBufferPointer(rebasing: bytes[message.value])))
        }
    }
}
