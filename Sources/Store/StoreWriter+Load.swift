// Images of a snapshot into the store: no JSON is read. An event's text is copied as it is, its references are looked up
// once for each name of the file, and the record stands where its message would have put it. A file holds nothing packed:
// a fragment is packed here, as with a message, where this store keeps that.
//
// A record in the file was rendered with the participants as they were then. The load renders it again where one of
// them has changed or gone since: its record is of the position that the file's were at least rendered at, or newer,
// or there is none. A participant that changes while the load lasts is seen by `setReady`.

public import Model
import Render
public import Snapshot

/// A load under way. The writer's alone; ended by `endLoad`, however it went.
public struct SnapshotLoad {
    /// A model that events name.
    fileprivate struct Named {
        /// Held in use until the load ends.
        var slot: UInt32
        var kind: ModelKind
        /// The records in the file may show it otherwise than it is.
        var isChanged: Bool
    }

    public let scope: SnapshotScope
    /// For each partition of the participants the offset that the records were at least rendered at. Empty: nothing is
    /// known of that, so each is rendered again.
    fileprivate let lowest: [Offset]
    /// The file's names so far: of an events partition as slots, of a global topic, which looks them up, as they are; and of
    /// an events partition those of the block that is being placed.
    fileprivate var named: [Named] = []
    fileprivate var names: [(kind: ModelKind, id: ID)] = []
    /// Images put into the store.
    public fileprivate(set) var records = 0
    /// Images of keys that an earlier one of the same file had brought: a walk may meet a key twice.
    public fileprivate(set) var replaced = 0
    public fileprivate(set) var rerendered = 0
}

extension StoreWriter {
    /// Begins to load a file. `renderedAt`: an events partition's `globalsLowest`, where its offsets are of the logs
    /// that this store was filled from. `records`: how many the file brings, for which the index gets its size at once.
    public func beginLoad(_ scope: SnapshotScope, records: Int = 0, renderedAt: GlobalPosition?) -> SnapshotLoad {
        if case .events(let partition) = scope {
            changesAtLoad[Int(partition.rawValue)] = participantChanges
            // Without memory it grows with each key, or refuses it.
            _ = unsafe store.partitions[Int(partition.rawValue)].index
                .makeRoom(for: max(1, records), &eventCounts[Int(partition.rawValue)], store.memory) {
                    unsafe retireTable($0, $1)
                }
        }
        let isComparable = renderedAt?.partitionCounts == readGlobals.partitionCounts
        guard let renderedAt, isComparable else { return SnapshotLoad(scope: scope, lowest: []) }
        return SnapshotLoad(
            scope: scope,
            lowest: (0..<renderedAt.partitionCounts[0]).map { renderedAt[.participant, PartitionID($0)] })
    }

    /// Puts a block's records in their places. The block is a checked one of the load's file; they come in order.
    /// Returns what the store refused, if anything: the load is to be given up then.
    public func load(_ block: SnapshotBlock, _ load: inout SnapshotLoad) -> Refusal? {
        var refusal = resolveNames(of: block, &load)
        unsafe block.forEachImage { image in
            guard refusal == nil else { return false }
            switch load.scope {
            case .events(let partition): refusal = unsafe place(EventImage(image), partition, &load)
            case .topic(let kind): refusal = unsafe place(ReferenceImage(image), kind, load.names)
            }
            if refusal == nil { load.records += 1 }
            return refusal == nil
        }
        return refusal
    }

    /// Says how much is still to be loaded, in bytes of blocks. Returns a stock of memory that some other thread should
    /// fill now, so that this one need not wait for the system to clear it; nil where there is none to fill.
    public func expectLoads(bytes: UInt64) -> RegionStock? {
        let regions = Int(clamping: bytes / UInt64(RecordMemory.regionBytes))
        // A small store takes small pages.
        let wanted = regions > RecordMemory.smallRegions ? regions : 0
        return store.memory.stock.want(wanted) ? store.memory.stock : nil
    }

    /// Gives back what the load held.
    public func endLoad(_ load: inout SnapshotLoad) {
        for name in load.named { release(name.kind, name.slot) }
        load.named = []
        load.names = []
    }

    /// Names that are asked for ahead together: their lines fit into the processor's caches beside all else.
    private static let namesTogether = 64

    private func resolveNames(of block: SnapshotBlock, _ load: inout SnapshotLoad) -> Refusal? {
        let first = load.names.count
        block.forEachName { load.names.append(($0, $1)) }
        guard load.scope.kind == .event else { return nil }
        var start = first
        while start < load.names.count {
            let end = min(start + Self.namesTogether, load.names.count)
            for index in start..<end { expect(load.names[index].kind, load.names[index].id.hash) }
            fetchExpected()
            for index in start..<end {
                let (kind, id) = load.names[index]
                guard let name = resolve(kind, id, load.lowest) else { return .full }
                load.named.append(name)
            }
            start = end
        }
        // Nobody needs the ids any more.
        load.names.removeAll(keepingCapacity: true)
        return nil
    }

    private func resolve(_ kind: ModelKind, _ id: ID, _ lowest: [Offset]) -> SnapshotLoad.Named? {
        guard store.memory.prepare(), let slot = slot(of: kind, id) else { return nil }
        retain(kind, slot)
        var isChanged = false
        if kind == .participant, let record = unsafe store[kind].record(slot) {
            let partition = unsafe Int(record.partition.rawValue)
            let isOld = unsafe record.isKnown && partition < lowest.count && record.offset < lowest[partition]
            isChanged = !isOld
        }
        return SnapshotLoad.Named(slot: slot, kind: kind, isChanged: isChanged)
    }

    // MARK: - Events

    private func place(_ image: EventImage, _ partition: PartitionID, _ load: inout SnapshotLoad) -> Refusal? {
        guard store.memory.prepare() else { return .full }
        let record = unsafe makeRecord(image, partition, load.named)
        let id = unsafe image.id
        let found = store.findEvent(id, in: partition)
        if let slot = found {
            unsafe replace(slot, by: record)
            load.replaced += 1
        } else {
            let hasRoom = unsafe store.partitions[Int(partition.rawValue)].index
                .makeRoom(&eventCounts[Int(partition.rawValue)], store.memory) { unsafe retireTable($0, $1) }
            guard hasRoom, let slot = eventSlots.allocate(in: store.events, store.memory) else {
                unsafe free(record)
                return .full
            }
            unsafe insert(record, id, at: slot)
        }
        for index in unsafe 0..<image.partCount where unsafe load.named[image.part(index).name].isChanged {
            if let slot = found ?? store.findEvent(id, in: partition) { _ = rerenderEvent(slot) }
            load.rerendered += 1
            break
        }
        return nil
    }

    private func makeRecord(
        _ image: EventImage, _ partition: PartitionID, _ named: [SnapshotLoad.Named]
    ) -> EventRecord {
        let isEscaped = unsafe image.nameIsEscaped
        let packed = unsafe pack(image.json.bindMemory(to: UInt8.self))
        let plainBytes = unsafe EventRecord.plainBytes(
            jsonCount: image.jsonCount, partCount: image.partCount,
            unescapedCount: isEscaped ? image.unescapedName.count : nil)
        let base = unsafe allocate(plainBytes + (packed?.count ?? 0))
        var header = unsafe EventHeader(
            start: Timestamp(milliseconds: image.start), offset: Offset(image.offset),
            hash: ContentHash(low: image.hashLow, high: image.hashHigh),
            layout: EventLayout(
                jsonCount: image.jsonCount, middle: image.middle, idCount: image.idCount, nameIsEscaped: isEscaped),
            stageSlot: named[image.stage].slot, partition: partition, partCount: image.partCount,
            status: image.status, sport: image.sport)
        header.layout.isPacked = unsafe packed != nil
        unsafe base.initializeMemory(as: EventHeader.self, to: header)
        var end = unsafe base + EventRecord.textOffset
        unsafe append(image.json, at: &end)
        for index in unsafe 0..<image.partCount {
            let part = unsafe image.part(index)
            let stored = EventPart(
                slot: named[part.name].slot, tailOffset: part.tailOffset, shownCount: part.shownCount)
            unsafe withUnsafeBytes(of: stored) { unsafe append($0, at: &end) }
        }
        if isEscaped {
            unsafe withUnsafeBytes(of: UInt32(image.unescapedName.count)) { unsafe append($0, at: &end) }
            unsafe append(image.unescapedName, at: &end)
        }
        unsafe putPacked(packed, at: end)
        return unsafe EventRecord(base)
    }

    // MARK: - References

    private func place(
        _ image: ReferenceImage, _ kind: ModelKind, _ names: [(kind: ModelKind, id: ID)]
    ) -> Refusal? {
        text.removeAll()
        unsafe text.append(image.own.bindMemory(to: UInt8.self))
        rawName.removeAll()
        if unsafe image.nameIsEscaped { unsafe rawName.append(image.name.bindMemory(to: UInt8.self)) }
        var shape = unsafe ReferenceShape(
            kind: kind, id: image.id, offset: Offset(image.offset), partition: PartitionID(image.partition))
        shape.sport = unsafe image.sport
        shape.shownCount = unsafe image.shownCount
        shape.positionScores = unsafe image.positionScores
        shape.positionTeams = unsafe image.positionTeams
        shape.nameIsEscaped = unsafe image.nameIsEscaped
        shape.escapedNameCount = unsafe image.escapedNameCount
        shape.nameCount = unsafe image.nameCount
        let first = unsafe image.first.map { (names[$0].kind, names[$0].id) }
        let second = unsafe image.second.map { (names[$0].kind, names[$0].id) }
        if case .refused(let refusal) = apply(&shape, first: first, second: second) { return refusal }
        return nil
    }

    // MARK: - Positions

    /// Everything below it is in every record of the partitions that are ready.
    public var publishedGlobals: GlobalPosition {
        var position = readGlobals
        store.globals.loadApplied(into: &position)
        return position
    }

    /// Nothing at or above it was handed to `apply`.
    public var appliedGlobals: GlobalPosition { readGlobals }
}
