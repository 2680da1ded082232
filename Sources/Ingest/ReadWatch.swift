// Whether a partition's messages are read while their tombstones are sure to be there.
//
// Kafka may drop a tombstone `delete.retention.ms` after it was written. Whoever reads later than that is not told that
// the key is gone. So for each partition it is remembered where its log ended at some moment, with everything below
// applied: what stands behind was written later. When the log's end is asked for again, and that moment is too long ago
// by then, something may have been missed, unless nothing was written at all.

import Model

/// Decides which partitions were cut off for too long. A value without a clock.
struct ReadWatch {
    private struct State {
        /// Everything below `end` is applied, and everything behind it was written after `sinceMs`.
        var sinceMs: Int64
        var end: Offset
        /// An end that was asked for later and is not applied yet.
        var pending: (askedMs: Int64, end: Offset)?
    }

    private var states: [TopicPartition: State] = [:]
    /// How old a moment may be, by model; nil where tombstones stay. See `BootPlan.ageLimitMs`.
    var limitsMs = [Int64?](repeating: nil, count: ModelKind.allCases.count)

    /// The log, whose end was asked for at `askedMs`, is read from `start` on; what stands there was written, or will
    /// be, after `sinceMs`, or is read whatever is dropped.
    mutating func begin(_ partition: TopicPartition, sinceMs: Int64, start: Offset, askedMs: Int64, end: Offset) {
        states[partition] = State(sinceMs: sinceMs, end: start, pending: (askedMs, end))
    }

    /// The log is read from its start after all.
    mutating func beginAnew(_ partition: TopicPartition) {
        guard let asked = states[partition]?.pending?.askedMs else { return }
        states[partition]?.sinceMs = asked
        states[partition]?.end = Offset(0)
    }

    mutating func forget(_ partition: TopicPartition) { states[partition] = nil }

    /// The log ended at `end` at `askedMs`, and everything below `applied` is applied now, which is no earlier. Returns
    /// whether tombstones may have been missed.
    mutating func learned(_ partition: TopicPartition, end: Offset, askedMs: Int64, applied: Offset) -> Bool {
        guard var state = states[partition] else { return false }
        guard isWhole(state, partition.kind, end: end, askedMs: askedMs) else { return true }
        if let pending = state.pending, applied >= pending.end {
            state = State(sinceMs: pending.askedMs, end: pending.end, pending: nil)
        }
        if state.pending == nil {
            if applied >= end {
                state = State(sinceMs: askedMs, end: end, pending: nil)
            } else {
                state.pending = (askedMs, end)
            }
        }
        states[partition] = state
        return false
    }

    /// Whether everything of the partition was read in time, as seen by whoever asked for its end at `askedMs`.
    func isWhole(_ partition: TopicPartition, end: Offset, askedMs: Int64) -> Bool {
        guard let state = states[partition] else { return true }
        return isWhole(state, partition.kind, end: end, askedMs: askedMs)
    }

    private func isWhole(_ state: State, _ kind: ModelKind, end: Offset, askedMs: Int64) -> Bool {
        guard let limitMs = limitsMs[Int(kind.rawValue)], askedMs - state.sinceMs > limitMs else { return true }
        return end <= state.end
    }
}
