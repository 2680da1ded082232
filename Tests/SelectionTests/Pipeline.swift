// The whole data path in one thread: decode, store, selection, answer; beside it the reference. Both get the same
// messages and are asked the same.

import Decode
import Model
import Placement
import Query
import Selection
import Store
import TestSupport

struct LoggedMessage {
    var key: [UInt8]
    var value: [UInt8]?
    var isValid: Bool
}

/// A store that holds everything, split over several holders as a cluster would, and the reference.
final class Pipeline {
    let rules = SelectionRules()
    let reference: Reference
    let store: Store
    let writer: StoreWriter
    private let holder: StoreHolder
    private var decoder = Decoder()
    private var arena = MessageArena()
    private var parser: RequestParser
    private var builder = AnswerBuilder()
    /// Every message applied, by its offset.
    private(set) var log: [TopicPartition: [LoggedMessage]] = [:]
    static let partitions = 12

    /// `isReady`: before the first message. Else the load is a bulk one, which `setReady` ends.
    init(isReady: Bool = true, packedBytesMax: Int = 0, reference: Reference = Reference()) {
        self.reference = reference
        store = Store(partitionCounts: [Self.partitions, 3, 2, 1, 1, 2])
        writer = StoreWriter(store, packedBytesMax: packedBytesMax)
        holder = StoreHolder(store, nowMs: { 0 })
        parser = RequestParser(rules: rules)
        if isReady { setReady() }
        writer.setGlobalsReady()
    }

    func setReady() {
        for partition in 0..<Self.partitions { writer.setReady([PartitionID(partition)]) }
    }

    /// Applies one message to both sides. Returns whether they agree that it is valid.
    func apply(_ kind: ModelKind, key: [UInt8], value: [UInt8]?) -> Bool {
        let reason = reference.apply(kind, key: key, value: value)
        let partition = Partitioner.partition(of: key.span, partitions: store.partitionCounts[Int(kind.rawValue)])
        let source = TopicPartition(kind, partition)
        let offset = log[source, default: []].count
        log[source, default: []].append(LoggedMessage(key: key, value: value, isValid: reason == nil))
        let isValid = replay(source, Offset(Int64(offset)), key: key, value: value)
        return value == nil || isValid == (reason == nil)
    }

    /// Applies a message to the store alone. Returns whether it was taken.
    func replay(_ source: TopicPartition, _ offset: Offset, key: [UInt8], value: [UInt8]?) -> Bool {
        defer { writer.advance(source, to: Offset(offset.rawValue + 1)) }
        guard let value else {
            guard let id = ID(key.span) else { return false }
            _ = writer.delete(source.kind, id, partition: source.partition, offset: offset)
            return true
        }
        do throws(InvalidMessage) {
            let message = try decoder.decode(source.kind, key: key.span, value: value.span, into: &arena)
            if case .refused = writer.apply(message, arena, partition: source.partition, offset: offset) {
                return false
            }
            return true
        } catch {
            return false
        }
    }

    /// Finishes what changes of references left to do.
    func settle() {
        while writer.rerender(budget: 100) {}
        writer.publishGlobals()
        writer.reclaim()
    }

    /// The answer of the data path, its events partitions split over `holders` parts.
    /// In gzip its fragments come packed, as far as the store has them so, where `takesPacked`.
    func answer(
        _ target: String, now: Timestamp, holders: Int, isGzip: Bool = false, takesPacked: Bool = true
    ) -> (status: Int, body: [UInt8], etag: UInt64) {
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map { Array($0.utf8) }
        let request: Request
        do throws(Problem) {
            let query = halves.count > 1 ? halves[1] : []
            let path = halves[0]
            request = try parser.parse(path: path.span, query: query.span)
        } catch {
            return (error.status, [], 0)
        }
        builder.begin(request, eventsPerTeamMax: rules.eventsPerTeamMax, isGzip: isGzip)
        return merge(request, now, holders: holders, takesPacked: isGzip && takesPacked)
    }

    /// Asks one holder after the other; the views of a part stay valid while the writer, this thread, does nothing.
    private func merge(
        _ request: Request, _ now: Timestamp, holders: Int, takesPacked: Bool
    ) -> (status: Int, body: [UInt8], etag: UInt64) {
        for index in 0..<holders {
            var partitions = PartitionSet()
            for partition in 0..<Self.partitions where partition % holders == index {
                partitions.insert(PartitionID(partition))
            }
            if case .teams = request {
                guard index == 0 else { continue }
                partitions = PartitionSet()
            }
            let query = HolderQuery(
                request: request, partitions: partitions, now: now, eventsPerTeamMax: rules.eventsPerTeamMax,
                matchesRemainMs: rules.matchesRemainMs, takesPacked: takesPacked)
            unsafe holder.answer(
                query, needs: PositionNeeds(), knowing: nil, part: { part, _, _ in unsafe builder.add(part, rank: 0) },
                refused: { fatalError("refused: \($0)") })
        }
        builder.finish()
        var body = [UInt8](repeating: 0, count: builder.bodyCount)
        unsafe body.withUnsafeMutableBytes { unsafe builder.write(to: $0) }
        return (200, body, builder.etag.low)
    }
}
