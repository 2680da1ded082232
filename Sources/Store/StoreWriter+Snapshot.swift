// Records out of the store, as images in the blocks of a snapshot.
//
// A walk first notes the slots of everything alive in its scope, in one go (about 3 ns each), and then takes a block's
// worth of them whenever it is asked. So it depends on no table that may be built anew meanwhile: a slot's number never
// changes. Of each slot it takes what stands in it now, which is a record, none, or another key's: whatever it is, it
// is as new as the position that the walk began at or newer. What came into being since needs no place in the file,
// since its message lies behind that position (docs/SNAPSHOT.md).

import Model
import Render
public import Snapshot

/// A walk under way. The writer's alone.
public struct SnapshotWalk {
    public let scope: SnapshotScope
    let slots: [UInt32]
    var next = 0
    var names = WalkNames()

    public var isAtEnd: Bool { next == slots.count }
}

/// The numbers of the models that a walk has named.
struct WalkNames {
    /// By kind and slot: the generation in the high half, the number in the low one.
    private var numbers = [[UInt64]](repeating: [], count: ModelKind.allCases.count)
    private var generation: UInt64 = 1
    private var removals: UInt64?
    private var count: UInt32 = 0

    /// Before each block. A slot that was given up may be another model's by now, so after any removal all are named
    /// anew; an id that stands in a file twice does no harm.
    mutating func beginBlock(removals now: UInt64) {
        if removals != now { generation += 1 }
        removals = now
    }

    /// The number of the model, and whether the block must name it.
    mutating func number(_ kind: ModelKind, _ slot: UInt32) -> (number: UInt32, isNew: Bool) {
        let (row, place) = (Int(kind.rawValue), Int(slot))
        if numbers[row].count <= place {
            numbers[row].append(contentsOf: repeatElement(0, count: place + 1 - numbers[row].count))
        }
        let word = numbers[row][place]
        if word >> 32 == generation { return (UInt32(truncatingIfNeeded: word), false) }
        numbers[row][place] = generation << 32 | UInt64(count)
        count += 1
        return (count - 1, true)
    }
}

extension StoreWriter {
    /// Begins a walk through a partition of the events topic, or through the known models of a kind.
    public func beginWalk(_ scope: SnapshotScope) -> SnapshotWalk {
        var slots: [UInt32] = []
        switch scope {
        case .events(let partition):
            slots.reserveCapacity(eventCounts[Int(partition.rawValue)].live)
            _ = unsafe store.partitions[Int(partition.rawValue)].index
                .walk(from: 0, words: .max / 2) { slots.append($0) }
        case .topic(let kind):
            slots.reserveCapacity(entities[Int(kind.rawValue) - 1].counts.live)
            _ = store[kind].index.walk(from: 0, words: .max / 2) { slots.append($0) }
        }
        return SnapshotWalk(scope: scope, slots: slots)
    }

    /// The walk's next block, out of the next `slotsMax` slots at most; nil where they hold nothing any more.
    public func nextBlock(_ walk: inout SnapshotWalk, slotsMax: Int) -> SnapshotBlock? {
        walk.names.beginBlock(removals: store.removalCount)
        var block = SnapshotBlockBuilder()
        let end = min(walk.slots.count, walk.next + slotsMax)
        while walk.next < end, !block.isFull {
            let slot = walk.slots[walk.next]
            walk.next += 1
            switch walk.scope {
            case .events(let partition): export(event: slot, of: partition, &walk.names, to: &block)
            case .topic(let kind): export(kind, slot, &walk.names, to: &block)
            }
        }
        return block.isEmpty ? nil : block.finish()
    }

    private func export(
        event slot: UInt32, of partition: PartitionID, _ names: inout WalkNames, to block: inout SnapshotBlockBuilder
    ) {
        guard let record = unsafe store.event(slot), unsafe record.partition == partition else { return }
        let fields = unsafe EventImageFields(
            stage: number(.stage, record.stageSlot, &names, &block), start: record.start.milliseconds,
            offset: record.offset.rawValue, hashLow: record.hash.low, hashHigh: record.hash.high,
            middle: record.layout.middle, idCount: UInt8(record.layout.idCount), status: record.status,
            sport: record.sport, partCount: UInt8(record.partCount))
        // Named before the image begins: names and images are two lists of the same builder.
        parts.removeAll(keepingCapacity: true)
        for index in unsafe 0..<record.partCount {
            let part = unsafe record.part(index)
            parts.append(
                PartSource(
                    slot: number(.participant, part.slot, &names, &block), tail: part.tailOffset..<part.tailOffset,
                    shownCount: part.tailOffset - part.shownOffset))
        }
        let name = unsafe record.layout.nameIsEscaped ? record.name : nil
        unsafe block.add(fields, json: record.json, name: name) { index in
            (parts[index].slot, parts[index].tail.lowerBound, parts[index].shownCount)
        }
    }

    private func export(
        _ kind: ModelKind, _ slot: UInt32, _ names: inout WalkNames, to block: inout SnapshotBlockBuilder
    ) {
        guard let record = unsafe store[kind].record(slot), unsafe record.isKnown else { return }
        let header = unsafe record.header.pointee
        let first = kind.referenceKind.flatMap { first in
            header.first == noSlot ? nil : number(first, header.first, &names, &block)
        }
        let second = header.second == noSlot ? nil : number(.season, header.second, &names, &block)
        let fields = unsafe ReferenceImageFields(
            first: first, second: second, partition: header.partition, sport: record.sport, offset: header.offset,
            positionScores: record.positionScores, positionTeams: record.positionTeams,
            shownCount: header.shownCount, escapedNameCount: header.escapedNameCount, idCount: header.idCount)
        let isEscaped = unsafe record.escapedName.count != record.name.count
        unsafe block.add(
            fields, own: record.own, nameCount: record.name.count, name: isEscaped ? record.name : nil)
    }

    private func number(
        _ kind: ModelKind, _ slot: UInt32, _ names: inout WalkNames, _ block: inout SnapshotBlockBuilder
    ) -> UInt32 {
        let (number, isNew) = names.number(kind, slot)
        if isNew, let record = unsafe store[kind].record(slot) { unsafe block.add(kind, id: record.id) }
        return number
    }
}
