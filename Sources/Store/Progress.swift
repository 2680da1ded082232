// How far the store has come, for readers: per partition of the events topic, and for the global topics as one vector.
//
// Two numbers each. *Applied*: everything below it is visible; the writer raises it after applying, so a reader that
// loads it before it reads finds at least that. *Started*: nothing at or above it is visible; the writer raises it
// before applying, so a reader that loads it after it read has seen nothing newer.
//
// And a time, *as of*, milliseconds of the machine's monotonic clock: everything that was in the log then is visible.
// The writer raises it after applying, with release; a reader that loads it, with acquire, before it reads finds at least
// that. 0: nothing is known.

import Model
import Synchronization

/// One partition of the events topic.
///
/// What each message changes stands two cache lines away from what each look-up loads: the processor that reads would
/// otherwise wait for the one that writes.
@usableFromInline
struct EventPartition: ~Copyable, Sendable {
    @usableFromInline let index: HashIndex
    private let gapBefore = InlineArray<15, UInt64>(repeating: 0)
    let started = Atomic<Int64>(0)
    let applied = Atomic<Int64>(0)
    let asOf = Atomic<UInt64>(0)
    private let gapBehind = InlineArray<13, UInt64>(repeating: 0)

    init(_ memory: borrowing RecordMemory) { index = HashIndex(memory) }
}

/// The global topics. A version number beside each vector lets readers keep a copy and look at one word.
///
/// Sendable: the arrays of atomics are allocated here, live as long as this object, and are reached atomically.
@safe
final class GlobalProgress: @unchecked Sendable {
    let partitionCounts: [Int]
    private let count: Int
    private let started: UnsafeMutablePointer<Atomic<Int64>>
    private let applied: UnsafeMutablePointer<Atomic<Int64>>
    let startedVersion = Atomic<UInt64>(1)
    let appliedVersion = Atomic<UInt64>(1)
    /// The earliest of all partitions.
    let asOf = Atomic<UInt64>(0)
    /// Kafka's timestamp of the newest message applied, whatever its topic; relaxed, it is a statistic.
    let newestMs = Atomic<Int64>(0)
    /// Whether the global topics were once read to their end.
    let isReady = Atomic<Bool>(false)

    init(partitionCounts: [Int]) {
        self.partitionCounts = partitionCounts
        let count = partitionCounts.reduce(0, +)
        self.count = count
        unsafe started = .allocate(capacity: count)
        unsafe applied = .allocate(capacity: count)
        for index in 0..<count {
            unsafe (started + index).initialize(to: Atomic(0))
            unsafe (applied + index).initialize(to: Atomic(0))
        }
    }

    deinit {
        unsafe started.deallocate()
        unsafe applied.deallocate()
    }

    /// Writer only, before anything of the message becomes visible. The relaxed store is published by the release of
    /// the version, or of any record behind it, whichever a reader meets first.
    func start(_ offset: Offset, at index: Int) {
        guard unsafe started[index].load(ordering: .relaxed) != offset.rawValue else { return }
        unsafe started[index].store(offset.rawValue, ordering: .relaxed)
        startedVersion.add(1, ordering: .releasing)
    }

    /// Writer only, when everything below the positions is visible, re-rendered events included. Release, so that who
    /// finds the position finds the records.
    func apply(_ position: GlobalPosition) {
        for index in 0..<count {
            unsafe applied[index].store(position.offsets[index].rawValue, ordering: .releasing)
        }
        appliedVersion.add(1, ordering: .releasing)
    }

    func applied(at index: Int) -> Offset { unsafe Offset(applied[index].load(ordering: .acquiring)) }

    /// After reading records: nothing seen is newer than this.
    func loadStarted(into position: inout GlobalPosition) {
        for index in 0..<count { unsafe position.set(Offset(started[index].load(ordering: .relaxed)), at: index) }
    }

    /// Before reading records. A vector torn by a later `apply` only mixes in higher positions, which hold as well.
    func loadApplied(into position: inout GlobalPosition) {
        for index in 0..<count { unsafe position.set(Offset(applied[index].load(ordering: .acquiring)), at: index) }
    }
}

/// A set of partitions that one thread writes and any number read.
///
/// Sendable: eight atomic words, allocated here.
@safe
struct AtomicPartitionSet: ~Copyable, @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private static let count = Limits.partitionsMax / 64

    init() {
        unsafe words = .allocate(capacity: Self.count)
        for index in 0..<Self.count { unsafe (words + index).initialize(to: Atomic(0)) }
    }

    deinit { unsafe words.deallocate() }

    /// Acquire and release: who finds a partition in the set finds its data.
    @inline(__always)
    func load() -> PartitionSet {
        var set = PartitionSet()
        for index in 0..<Self.count { unsafe set[word: index] = words[index].load(ordering: .acquiring) }
        return set
    }

    func contains(_ partition: PartitionID) -> Bool {
        let index = Int(partition.rawValue)
        return unsafe words[index >> 6].load(ordering: .acquiring) & 1 << UInt64(index & 63) != 0
    }

    func insert(_ partition: PartitionID) {
        let index = Int(partition.rawValue)
        unsafe words[index >> 6].bitwiseOr(1 << UInt64(index & 63), ordering: .releasing)
    }

    func remove(_ partition: PartitionID) {
        let index = Int(partition.rawValue)
        unsafe words[index >> 6].bitwiseAnd(~(1 << UInt64(index & 63)), ordering: .releasing)
    }
}
