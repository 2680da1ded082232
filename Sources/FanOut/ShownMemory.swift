// What a router has shown: per partition the highest offset of any answer, so that no later answer shows less. One for
// a router; every event loop reads it before it asks and raises it before it hands an answer on.
//
// Orders. An offset is one atomic word that only rises (but for a reset), and each is needed by itself, so there is
// nothing to order between two of them. What must hold is that a request begun after an answer was shown sees that
// answer's offsets. If both are on one loop, program order does it. Else loop A raises, then writes the answer to a
// socket; the client reads it, then writes a request, which loop B reads before it loads. The release of the raise and
// the acquire of the load make loop B's view contain loop A's as soon as it loads the raised value, and the coherence
// of a single word, across the two sockets' system calls, makes it load that or a later one. Two requests in flight at
// the same time have no order, and neither may be called older than the other.
//
// The global positions are many words that are compared as one, so they stand under a mutex, which a loop takes only
// when the version says that they changed, or when it has some that are higher.

public import Model
public import Query
import Synchronization

/// One loop's copy of the global positions shown.
public struct ShownGlobals: Sendable {
    public fileprivate(set) var version: UInt64 = 0
    /// Nil until anything was shown.
    public fileprivate(set) var globals: GlobalPosition?

    public init() {}
}

/// Shared by the event loops of a router.
///
/// `@unchecked`: the pointer is set at init and freed at deinit; between, only atomic words behind it are touched.
@safe
public final class ShownMemory: @unchecked Sendable {
    private let offsets: UnsafeMutablePointer<Atomic<Int64>>
    private let globals = Mutex<GlobalPosition?>(nil)
    /// Written under the mutex, after the positions.
    private let version = Atomic<UInt64>(0)
    private let changesBegun = Atomic<UInt64>(0)
    private let changesEnded = Atomic<UInt64>(0)

    /// Rises before every change. Acquire pairs with the release in `change`: who sees what changed, or an answer of
    /// someone who did, finds the number raised.
    public var changes: UInt64 { changesBegun.load(ordering: .acquiring) }

    /// `changes` where no change is under way, so that whoever looks at the positions behind it sees all of them.
    public var changesAtRest: UInt64? {
        // Ended first: one that begins in between makes the numbers differ.
        let ended = changesEnded.load(ordering: .acquiring)
        return changes == ended ? ended : nil
    }

    private func change(_ body: () -> Void) {
        // Both orders: the number must be raised before what the body changes, and for whoever sees that.
        changesBegun.add(1, ordering: .acquiringAndReleasing)
        body()
        changesEnded.add(1, ordering: .releasing)
    }

    public init() {
        unsafe offsets = .allocate(capacity: Limits.partitionsMax)
        for index in 0..<Limits.partitionsMax { unsafe (offsets + index).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe offsets.deinitialize(count: Limits.partitionsMax)
        unsafe offsets.deallocate()
    }

    /// Sets the needs of a query for these partitions. `view` is the loop's own copy of the global positions.
    public func fill(_ needs: inout PositionNeeds, for partitions: PartitionSet, view: inout ShownGlobals) {
        needs.offsets.removeAll(keepingCapacity: true)
        var isAnyNeeded = false
        partitions.forEach { partition in
            // Acquiring: pairs with the release in `raise`.
            let offset = unsafe offsets[Int(partition.rawValue)].load(ordering: .acquiring)
            if offset > 0 { isAnyNeeded = true }
            needs.offsets.append(Offset(offset))
        }
        if !isAnyNeeded { needs.offsets.removeAll(keepingCapacity: true) }
        refresh(&view)
        needs.globals = view.globals
    }

    /// Takes over what an answer for these partitions shows, before it is handed on. `shown.offsets` must have one for
    /// each partition. Global positions of another shape than the first ones seen are left out: a topic of another
    /// partition count cannot be compared.
    public func raise(_ partitions: PartitionSet, shown: ShownPosition, view: inout ShownGlobals) {
        precondition(shown.offsets.count == partitions.count)
        var index = 0
        var rises = false
        partitions.forEach { partition in
            // Relaxed: in the steady state nothing rises, and a stale value only costs the exchanges below.
            if unsafe offsets[Int(partition.rawValue)].load(ordering: .relaxed) < shown.offsets[index].rawValue {
                rises = true
            }
            index += 1
        }
        if rises { change { raiseOffsets(partitions, shown) } }
        raise(shown.globals, view: &view)
    }

    private func raiseOffsets(_ partitions: PartitionSet, _ shown: ShownPosition) {
        var index = 0
        partitions.forEach { partition in
            // Releasing: pairs with the acquire in `fill`.
            _ = unsafe offsets[Int(partition.rawValue)].max(shown.offsets[index].rawValue, ordering: .releasing)
            index += 1
        }
    }

    /// The end of the partition's log is below what was shown, since the topic was made anew: what is needed falls to
    /// `end`. An answer in flight may raise it once more: then answers count as older than shown until the log is past it.
    public func lower(_ partition: PartitionID, to end: Offset) {
        guard partition.rawValue >= 0, partition.rawValue < Limits.partitionsMax else { return }
        // Relaxed: nobody waits for it, see above.
        change { _ = unsafe offsets[Int(partition.rawValue)].min(end.rawValue, ordering: .relaxed) }
    }

    /// The same for a partition of a global topic.
    public func lower(_ kind: ModelKind, _ partition: PartitionID, to end: Offset) {
        globals.withLock { globals in
            guard let topic = GlobalPosition.kinds.firstIndex(of: kind), let counts = globals?.partitionCounts,
                partition.rawValue >= 0, partition.rawValue < counts[topic],
                let shown = globals?[kind, partition], end < shown
            else { return }
            change {
                globals?[kind, partition] = end
                version.add(1, ordering: .releasing)
            }
        }
    }

    /// The same for all positions in which `now` is below `last`. Both must have the same shape.
    public func lower(_ last: GlobalPosition, to now: GlobalPosition) {
        for (kind, count) in zip(GlobalPosition.kinds, now.partitionCounts) {
            for partition in (0..<count).map({ PartitionID($0) }) where now[kind, partition] < last[kind, partition] {
                lower(kind, partition, to: now[kind, partition])
            }
        }
    }

    private func refresh(_ view: inout ShownGlobals) {
        // Acquiring: pairs with the release of a change, so that a request begun after an answer was shown takes the
        // mutex and sees that answer's positions.
        guard version.load(ordering: .acquiring) != view.version else { return }
        view = globals.withLock { globals in
            var view = ShownGlobals()
            view.version = version.load(ordering: .relaxed)
            view.globals = globals
            return view
        }
    }

    private func raise(_ shown: GlobalPosition, view: inout ShownGlobals) {
        if let known = view.globals, known.reaches(shown) || known.partitionCounts != shown.partitionCounts {
            return
        }
        globals.withLock { globals in
            if let known = globals {
                guard known.partitionCounts == shown.partitionCounts, !known.reaches(shown) else { return }
            }
            change {
                if globals == nil { globals = shown } else { globals?.formMaximum(shown) }
                version.add(1, ordering: .releasing)
            }
        }
        refresh(&view)
    }
}
