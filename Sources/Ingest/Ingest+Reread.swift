// Reading a log once more from its start while what it gave is served: after the node was cut off for longer than Kafka
// keeps tombstones, or had lost its place in a global topic's log, which cannot be given up and loaded anew.
//
// What the log still has of each key decides. Messages that are in effect already are not applied again, so nothing
// goes back in time; they only name their keys. When the end is reached, a key that no message has named is gone, and
// is deleted.

public import Model
import Snapshot
import Store
import Telemetry

/// A partition that is read once more.
struct Reread {
    /// Messages below it are in effect.
    var appliedBelow: Offset
    /// Whether a record of an offset at or above `appliedBelow` came by this reading. Not where the log may be another.
    var offsetsTell: Bool
    /// The log's end; nil until it is known.
    var target: Offset?
    var position = Offset(0)
    /// Slots of the keys that were named.
    var named: Set<UInt32> = []
    /// Keys that were not, once the target is reached, with the offsets of their last messages.
    var gone: [(id: ID, offset: Offset)]?
    var deleted = 0
}

extension Ingest {
    /// The bounds of logs, asked for at `askedMs`, and for each model how long a log's tombstones may be counted on.
    /// What was read too late is read once more. To be called several times within each such limit.
    public func learned(_ found: [(TopicPartition, LogBounds)], askedMs: Int64, limitsMs: [Int64?]) {
        watch.limitsMs = limitsMs
        for (partition, bounds) in found {
            switch life[partition] {
            case .loading, .ready: break
            case .idle, .waiting, .checking, .restoring, .dropping: continue
            }
            if rereads[partition] != nil, rereads[partition]?.target == nil {
                rereads[partition]?.target = bounds.end
                watch.begin(partition, sinceMs: askedMs, start: bounds.start, askedMs: askedMs, end: bounds.end)
            } else if watch.learned(
                partition, end: bounds.end, askedMs: askedMs, applied: writer.applied(partition))
            {
                readAgain(partition, bounds, askedMs)
            }
        }
    }

    /// Whether a partition is read once more whose log's end is not known: the owner asks for it soon.
    public var wantsBounds: Bool { rereads.values.contains { $0.target == nil } }

    private func readAgain(_ partition: TopicPartition, _ bounds: LogBounds, _ askedMs: Int64) {
        metrics.rereads.add()
        log(
            IngestNote(
                message: "\(partition.kind.plural) partition \(partition.partition) was not read for longer than its "
                    + "log keeps tombstones (delete.retention.ms): it is read from its start", suppressed: 0))
        // Nobody is served from it yet.
        if partition.kind == .event, life[partition] != .ready { return perform(life.lost(partition)) }
        rereads[partition] = Reread(
            appliedBelow: writer.applied(partition), offsetsTell: true, target: bounds.end)
        watch.begin(partition, sinceMs: askedMs, start: bounds.start, askedMs: askedMs, end: bounds.end)
        source.start(partition, at: bounds.start)
    }

    /// A global topic's place in its log is lost, and the source goes on at the log's start. It may be another log: all
    /// of it is applied.
    func beginReread(_ partition: TopicPartition, target: Offset?) {
        rereads[partition] = Reread(appliedBelow: Offset(0), offsetsTell: false, target: target)
    }

    /// Takes the names of a message. Returns whether it is to be applied.
    func reread(_ record: Record) -> Bool {
        let (source, offset) = unsafe (record.source, record.offset)
        unsafe name(record)
        rereads[source]?.position = Offset(offset.rawValue + 1)
        return rereads[source].map { offset >= $0.appliedBelow } ?? true
    }

    /// The message's key is in the log. A tombstone says nothing: who came back after it is named by another message.
    func name(_ record: Record) {
        guard unsafe record.value != nil, let key = unsafe record.key, let id = unsafe ID(key.span) else { return }
        let source = unsafe record.source
        guard let slot = writer.knownSlot(source.kind, id, in: source.partition) else { return }
        rereads[source]?.named.insert(slot)
    }

    /// Deletes what the logs that were read to their ends did not name.
    func rereadSlice() {
        guard !rereads.isEmpty else { return }
        for (partition, reread) in rereads {
            guard let target = reread.target, reread.position >= target else { continue }
            var reread = reread
            var gone =
                reread.gone
                ?? writer.keys(of: partition) { slot, offset in
                    !reread.named.contains(slot) && !(reread.offsetsTell && offset >= reread.appliedBelow)
                }
            // It makes nothing visible that a position would have to stand for: the offset is that of the last one applied.
            let offset = Offset(max(0, writer.applied(partition).rawValue - 1))
            for _ in 0..<min(Self.dropBudget, gone.count) {
                let (id, listed) = gone.removeLast()
                // A message may have brought it back since it was listed.
                guard let slot = writer.knownSlot(partition.kind, id, in: partition.partition),
                    !reread.named.contains(slot), writer.offset(partition.kind, at: slot) == listed
                else { continue }
                if writer.delete(partition.kind, id, partition: partition.partition, offset: offset) == .deleted {
                    reread.deleted += 1
                }
            }
            reread.gone = gone
            rereads[partition] = gone.isEmpty ? nil : reread
            if gone.isEmpty { endReread(partition, reread) }
        }
    }

    private func endReread(_ partition: TopicPartition, _ reread: Reread) {
        metrics.rereadDeleted.add(UInt64(reread.deleted))
        progressMarks += 1
        log(
            IngestNote(
                message: "\(partition.kind.plural) partition \(partition.partition) was read from its start: "
                    + "\(reread.deleted) keys were gone", suppressed: 0))
    }
}
