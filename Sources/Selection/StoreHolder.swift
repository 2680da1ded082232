// Answers a holder query from the store: the meaning of contract sections 2 and 3, as far as one holder sees it.
//
// Everything happens under one guard: look-ups, selection, and whatever the caller does with the part. One instance
// for each event loop; it keeps its buffers, so that a request allocates nothing once they have grown.

import Model
public import Query
public import Store

/// Safe to use: its views leave it only as arguments of the closure that runs under the guard.
@safe
public final class StoreHolder: Holder {
    private let reader: StoreReader
    private let nowMs: () -> UInt64
    private var selection: PartSelection
    private var shown: ShownPosition

    /// `nowMs`: the clock by which the store's writer says as of when it is.
    public init(_ store: Store, nowMs: @escaping () -> UInt64) {
        self.nowMs = nowMs
        reader = StoreReader(store)
        selection = PartSelection(partitionCount: store.partitionCounts[0])
        let (globals, version) = reader.startedGlobals()
        shown = ShownPosition(offsets: [], globals: globals, globalsVersion: version)
    }

    public var progress: UInt64 { reader.progress }

    public func answer(
        _ query: HolderQuery, needs: PositionNeeds, knowing progress: UInt64?,
        part: (borrowing Part, ShownPosition?, Freshness) -> Void, refused: (HolderRefusal) -> Void
    ) {
        let refusal = reader.read { view -> HolderRefusal? in
            if let refusal = check(query, needs) { return refusal }
            let freshness = freshness(query.partitions)
            guard freshness.ageMs <= query.stalenessMaxMs else { return .stale(ageMs: freshness.ageMs) }
            selection.select(query, view)
            if selection.jsonBytes > Limits.answerBytesMax { return .answerTooLarge }
            // Loaded after reading: what was seen newer than the caller knows has raised it before.
            if progress == reader.progress {
                unsafe part(selection.part, nil, freshness)
            } else {
                loadShown(query.partitions)
                unsafe part(selection.part, shown, freshness)
            }
            return nil
        }
        if let refusal { refused(refusal) }
    }

    // MARK: - Positions

    private func check(_ query: HolderQuery, _ needs: PositionNeeds) -> HolderRefusal? {
        guard reader.areGlobalsReady else { return .notReady }
        let missing = query.partitions.subtracting(reader.readyPartitions)
        guard missing.isEmpty else { return .notHeld(missing) }
        if !needs.offsets.isEmpty {
            var index = 0
            var isBehind = false
            query.partitions.forEach { partition in
                if index >= needs.offsets.count || reader.applied(partition) < needs.offsets[index] { isBehind = true }
                index += 1
            }
            if isBehind { return .behind }
        }
        if let globals = needs.globals, !reader.appliedGlobals().reaches(globals) { return .behind }
        return nil
    }

    /// Loaded before reading: what is found then is at least this fresh.
    private func freshness(_ partitions: PartitionSet) -> Freshness {
        let asOf = reader.asOf(partitions)
        let now = nowMs()
        let ageMs = asOf == 0 ? UInt32.max : UInt32(clamping: now > asOf ? now - asOf : 0)
        return Freshness(ageMs: ageMs, newestMs: reader.newestMs)
    }

    private func loadShown(_ partitions: PartitionSet) {
        shown.offsets.removeAll(keepingCapacity: true)
        partitions.forEach { shown.offsets.append(reader.started($0)) }
        (shown.globals, shown.globalsVersion) = reader.startedGlobals()
    }
}
