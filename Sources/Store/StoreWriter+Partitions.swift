public import Model
import Reclamation
import Synchronization

/// A partition on its way out.
struct Drop {
    var partition: PartitionID
    /// Readers that began before this epoch may still count on the partition.
    var epoch: UInt64
    /// Where the walk through the partition's table goes on, and that table's capacity: after another was built, at
    /// the start.
    var next = 0
    var capacity = 0
}

extension StoreWriter {
    // MARK: - Positions

    /// To be called behind a change of a position and before anything it stands for becomes visible. Release: a reader
    /// that finds a record published behind it finds the number raised, and with the number the position. One writer,
    /// so the two steps need not be one.
    private func countProgress() {
        store.progress.store(store.progress.load(ordering: .relaxed) + 1, ordering: .releasing)
    }

    /// Before anything of the event's message becomes visible.
    func start(_ partition: PartitionID, _ offset: Offset) {
        // Relaxed: published by the release of the record's own store behind it.
        unsafe store.partitions[Int(partition.rawValue)].started.store(offset.rawValue + 1, ordering: .relaxed)
        countProgress()
    }

    func startGlobal(_ kind: ModelKind, _ partition: PartitionID, _ offset: Offset) {
        store.globals.start(Offset(offset.rawValue + 1), at: readGlobals.index(kind, partition))
        countProgress()
    }

    /// Says that everything of the partition below `position` was handed to `apply` or skipped. An events partition
    /// counts as applied there at once; a global topic when the renderings it caused are done.
    public func advance(_ source: TopicPartition, to position: Offset) {
        if source.kind == .event {
            let partition = unsafe store.partitions + Int(source.partition.rawValue)
            // Started never stands below applied: whoever must reach what is shown can.
            if unsafe partition.pointee.started.load(ordering: .relaxed) < position.rawValue {
                unsafe partition.pointee.started.store(position.rawValue, ordering: .relaxed)
                countProgress()
            }
            // Release pairs with the acquire of a reader's check before it reads.
            unsafe partition.pointee.applied.store(position.rawValue, ordering: .releasing)
            return
        }
        readGlobals[source.kind, source.partition] = position
        store.globals.start(position, at: readGlobals.index(source.kind, source.partition))
        countProgress()
    }

    /// Publishes the global positions where nothing waits to be rendered. Called at the end of a batch that advanced
    /// one of them.
    public func publishGlobals() {
        if rerender.isEmpty { store.globals.apply(readGlobals) }
    }

    /// What was handed to `apply`.
    public func applied(_ source: TopicPartition) -> Offset {
        if source.kind != .event { return readGlobals[source.kind, source.partition] }
        return unsafe Offset(store.partitions[Int(source.partition.rawValue)].applied.load(ordering: .relaxed))
    }

    /// What readers find applied: of a global topic, with everything rendered again that it changed.
    public func published(_ source: TopicPartition) -> Offset {
        if source.kind == .event { return applied(source) }
        return store.globals.applied(at: readGlobals.index(source.kind, source.partition))
    }

    // MARK: - Freshness

    /// Everything that was in this partition's log at `asOfMs` is visible; 0 where that is not known any more. Release, so
    /// that who finds the time finds the records.
    public func setAsOf(_ partition: PartitionID, _ asOfMs: UInt64) {
        unsafe store.partitions[Int(partition.rawValue)].asOf.store(asOfMs, ordering: .releasing)
    }

    /// The same for all global topics together.
    public func setGlobalsAsOf(_ asOfMs: UInt64) { store.globals.asOf.store(asOfMs, ordering: .releasing) }

    /// A message of this timestamp is visible.
    public func raiseNewest(to timestampMs: Int64) {
        guard timestampMs > store.globals.newestMs.load(ordering: .relaxed) else { return }
        store.globals.newestMs.store(timestampMs, ordering: .relaxed)
    }

    // MARK: - Readiness

    /// Lets readers ask for the partitions. What they hold by now, their bulk load, comes into the teams' lists at once.
    public func setReady(_ partitions: [PartitionID]) {
        let unlisted = partitions.filter { !isListed[Int($0.rawValue)] }
        if !unlisted.isEmpty { listEvents(of: unlisted) }
        for partition in unlisted { isListed[Int(partition.rawValue)] = true }
        for partition in partitions { store.readyPartitions.insert(partition) }
    }

    /// Whether readers may ask for the partition.
    public func isReady(_ partition: PartitionID) -> Bool { store.readyPartitions.contains(partition) }

    /// Readers may begin: the global topics were read to their end. For good.
    public func setGlobalsReady() { store.globals.isReady.store(true, ordering: .releasing) }

    // MARK: - Dropping

    /// Closes the partition to readers and gives its memory back, in slices by `dropSlice`.
    public func beginDrop(_ partition: PartitionID) {
        precondition(!drops.contains { $0.partition == partition })
        store.readyPartitions.remove(partition)
        drops.append(Drop(partition: partition, epoch: store.domain.current))
    }

    /// Whether the partition is being dropped: it must not be loaded again before that is over.
    public func isDropping(_ partition: PartitionID) -> Bool { drops.contains { $0.partition == partition } }

    /// Removes at most about `budget` events. Returns whether more is to be done.
    public func dropSlice(budget: Int) -> Bool {
        guard let drop = drops.first else { return false }
        // A reader that found the partition ready must find its events too: wait for it.
        guard store.domain.advance() > drop.epoch else { return true }
        let partition = drop.partition
        let capacity = unsafe store.partitions[Int(partition.rawValue)].index.capacity
        var start: Int? = drop.capacity == capacity ? drop.next : 0
        var slots: [UInt32] = []
        while let from = start, slots.count < budget {
            start = unsafe store.partitions[Int(partition.rawValue)].index.walk(from: from, words: budget) {
                slots.append($0)
            }
        }
        for slot in slots {
            guard let record = unsafe store.event(slot), let id = unsafe ID(record.id.span) else { continue }
            removeEvent(slot, id, partition)
        }
        guard let start else {
            endDrop(partition)
            return !drops.isEmpty
        }
        (drops[0].next, drops[0].capacity) = (start, capacity)
        return true
    }

    private func endDrop(_ partition: PartitionID) {
        unsafe store.partitions[Int(partition.rawValue)].started.store(0, ordering: .relaxed)
        unsafe store.partitions[Int(partition.rawValue)].applied.store(0, ordering: .releasing)
        countProgress()
        isListed[Int(partition.rawValue)] = false
        drops.removeFirst()
    }
}
