public import Model
import Reclamation
import Render

/// Where the bytes of one participant of an event come from, while its record is put together.
struct PartSource {
    var slot: UInt32
    var offset: Int
    var count: Int
}

/// What of a record does not come from its participants.
private struct EventShape {
    var id: ID
    var sport: Sport
    var status: Status
    var start: Timestamp
    var stageSlot: UInt32
    var partition: PartitionID
    var offset: Offset
}

extension StoreWriter {
    /// Applies an event's message. The position of its partition moves with `advance`.
    public func apply(
        _ event: EventMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        guard let stageSlot = slot(of: .stage, event.stageID) else { return .refused(.full) }
        guard resolveParts(event, arena) else {
            freeIfUnused(.stage, stageSlot)
            return .refused(.full)
        }
        let shape = EventShape(
            id: event.id, sport: event.sport, status: event.status, start: event.start, stageSlot: stageSlot,
            partition: partition, offset: offset)
        let made = unsafe makeRecord(shape) { text in
            Fragments.eventMiddle(event, arena, to: &text)
        } tail: { part, _, text in
            Fragments.participantTail(arena.participants[part], arena, to: &text)
        }
        guard let record = unsafe made else { return refuse(.recordTooLarge, stageSlot) }
        start(partition, offset)
        if let slot = store.findEvent(event.id, in: partition) {
            unsafe replace(slot, by: record)
            return .updated
        }
        guard let slot = eventSlots.allocate(in: store.events) else {
            unsafe free(record)
            return refuse(.full, stageSlot)
        }
        unsafe insert(record, event.id, at: slot)
        return .created
    }

    /// Gives back what was made for an event that finds no place.
    private func refuse(_ refusal: Refusal, _ stageSlot: UInt32) -> ApplyResult {
        for part in parts { freeIfUnused(.participant, part.slot) }
        freeIfUnused(.stage, stageSlot)
        return .refused(refusal)
    }

    /// Applies an event's tombstone.
    func deleteEvent(_ id: ID, partition: PartitionID, offset: Offset) -> ApplyResult {
        guard let slot = store.findEvent(id, in: partition) else { return .unchanged }
        start(partition, offset)
        removeEvent(slot, id, partition)
        return .deleted
    }

    func removeEvent(_ slot: UInt32, _ id: ID, _ partition: PartitionID) {
        guard let record = unsafe store.event(slot) else { return }
        unsafe store.partitions[Int(partition.rawValue)].index
            .remove(id.hash, slot: slot, &eventCounts[Int(partition.rawValue)]) { unsafe retireTable($0, $1) }
        unsafe store.events.store(nil, at: slot)
        store.countRemoval()
        let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.parts[part].slot
            if isListed[Int(partition.rawValue)] { removeEntry(entry, team: team) }
            release(.participant, team)
        }
        unsafe release(.stage, record.stageSlot)
        unsafe retire(UnsafeMutableRawPointer(mutating: record.base), record.bytes)
        retireSlot(.eventSlot(slot))
    }

    // MARK: - Putting a record in its place

    private func insert(_ record: EventRecord, _ id: ID, at slot: UInt32) {
        unsafe retain(.stage, record.stageSlot)
        unsafe store.events.store(record.base, at: slot)
        let partition = unsafe Int(record.header.pointee.partition)
        if eventCounts[partition].live == 0 { changesAtLoad[partition] = participantChanges }
        unsafe store.partitions[partition].index
            .insert(id.hash, slot: slot, &eventCounts[partition]) { unsafe retireTable($0, $1) }
        let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.parts[part].slot
            retain(.participant, team)
            if isListed[partition] { insertEntry(entry, team: team) }
        }
    }

    /// New entries first, then the swap, then old entries: an event whose place does not change is never missing.
    private func replace(_ slot: UInt32, by record: EventRecord) {
        guard let old = unsafe store.event(slot) else { return }
        let newEntry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        let oldEntry = unsafe TeamEntry(start: old.start.milliseconds, slot: slot)
        let moved = newEntry != oldEntry
        let isListed = unsafe isListed[Int(record.header.pointee.partition)]
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.parts[part].slot
            let isNew = unsafe !old.hasParticipant(team)
            if isNew { retain(.participant, team) }
            if isListed, moved || isNew { insertEntry(newEntry, team: team) }
        }
        let otherStage = unsafe record.stageSlot != old.stageSlot
        if otherStage { unsafe retain(.stage, record.stageSlot) }
        unsafe store.events.store(record.base, at: slot)
        for part in unsafe 0..<old.partCount where unsafe isFirst(part, old) {
            let team = unsafe old.parts[part].slot
            let isGone = unsafe !record.hasParticipant(team)
            if isListed, moved || isGone { removeEntry(oldEntry, team: team) }
            if isGone { release(.participant, team) }
        }
        if otherStage { unsafe release(.stage, old.stageSlot) }
        unsafe retire(UnsafeMutableRawPointer(mutating: old.base), old.bytes)
    }

    /// Whether no earlier part of the record is the same participant: it counts once for its team.
    func isFirst(_ part: Int, _ record: EventRecord) -> Bool {
        for earlier in 0..<part where unsafe record.parts[earlier].slot == record.parts[part].slot { return false }
        return true
    }

    // MARK: - Making a record

    private func resolveParts(_ event: EventMessage, _ arena: MessageArena) -> Bool {
        parts.removeAll(keepingCapacity: true)
        for index in arena.participants.indices {
            guard let slot = slot(of: .participant, arena.participants[index].id) else {
                for part in parts { freeIfUnused(.participant, part.slot) }
                return false
            }
            parts.append(PartSource(slot: slot, offset: 0, count: 0))
        }
        return true
    }

    /// Renders an event again from its own record: its participants are what changed. Returns whether it fitted.
    /// `text` holds what was rendered, fitting or not, so that the caller can tell the work.
    func rerenderEvent(_ slot: UInt32) -> Bool {
        text.removeAll()
        guard let old = unsafe store.event(slot), let id = unsafe ID(old.id.span) else { return true }
        parts.removeAll(keepingCapacity: true)
        for index in unsafe 0..<old.partCount {
            let part = unsafe old.parts[index]
            parts.append(PartSource(slot: part.slot, offset: Int(part.tailOffset), count: Int(part.tailCount)))
        }
        let shape = unsafe EventShape(
            id: id, sport: old.sport, status: old.status, start: old.start, stageSlot: old.stageSlot,
            partition: old.partition, offset: old.offset)
        let made = unsafe makeRecord(shape) { text in
            unsafe text.append(old.middle)
        } tail: { _, source, text in
            let (offset, count) = (source.offset, source.count)
            unsafe text.append(UnsafeBufferPointer(start: old.text + offset, count: count))
        }
        guard let record = unsafe made else { return false }
        unsafe store.events.store(record.base, at: slot)
        unsafe retire(UnsafeMutableRawPointer(mutating: old.base), old.bytes)
        return true
    }

    /// The record of `parts` with the participants as they are now; nil where its text is too large. `middle` and `tail`
    /// write what does not come from the participants.
    @inline(__always)
    private func makeRecord(
        _ shape: EventShape, middle: (inout TextBuffer) -> Void, tail: (Int, PartSource, inout TextBuffer) -> Void
    ) -> EventRecord? {
        text.removeAll()
        Fragments.open(shape.id, to: &text)
        text.append(ascii: ",\"name\":\"")
        let nameOffset = text.count
        let isEscaped = appendNames()
        let nameCount = text.count - nameOffset
        text.append(0x22)
        let middleOffset = text.count
        middle(&text)
        let middleCount = text.count - middleOffset
        for index in parts.indices {
            if index > 0 { text.append(0x2C) }
            if let participant = unsafe store[.participant].record(parts[index].slot) {
                unsafe text.append(participant.shown)
            }
            let offset = text.count
            tail(index, parts[index], &text)
            parts[index].offset = offset
            parts[index].count = text.count - offset
            // Names alone can reach 64 times the largest: stop before copying on.
            if text.count > Limits.eventRecordBytesMax { return nil }
        }
        text.append(ascii: "]}")
        let jsonCount = text.count
        guard jsonCount <= Limits.eventRecordBytesMax else { return nil }
        if isEscaped { unsafe text.append(rawName.bytes) }
        let header = unsafe EventHeader(
            start: shape.start.milliseconds, offset: shape.offset.rawValue,
            hash: ContentHash(of: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text.bytes)[..<jsonCount])),
            jsonCount: UInt32(jsonCount), nameOffset: UInt32(isEscaped ? jsonCount : nameOffset),
            nameCount: UInt32(isEscaped ? rawName.count : nameCount), middleOffset: UInt32(middleOffset),
            middleCount: UInt32(middleCount), stageSlot: shape.stageSlot,
            partition: UInt16(shape.partition.rawValue), idCount: UInt8(shape.id.count), status: shape.status,
            sport: shape.sport, partCount: UInt8(parts.count))
        return unsafe copyRecord(header)
    }

    /// Appends the participants' names, joined, as JSON text, and sets `rawName` where that differs from the names
    /// themselves, which it returns.
    private func appendNames() -> Bool {
        var isEscaped = false
        for index in parts.indices {
            if index > 0 { text.append(ascii: " - ") }
            guard let participant = unsafe store[.participant].record(parts[index].slot) else { continue }
            let escapedName = unsafe participant.escapedName
            unsafe text.append(escapedName)
            if unsafe escapedName.count != participant.name.count { isEscaped = true }
        }
        guard isEscaped else { return false }
        rawName.removeAll()
        for index in parts.indices {
            if index > 0 { rawName.append(ascii: " - ") }
            guard let participant = unsafe store[.participant].record(parts[index].slot) else { continue }
            unsafe rawName.append(participant.name)
        }
        return true
    }

    private func copyRecord(_ header: EventHeader) -> EventRecord {
        let partsBytes = parts.count * MemoryLayout<EventPart>.stride
        let base = unsafe allocate(MemoryLayout<EventHeader>.stride + partsBytes + text.count)
        unsafe base.initializeMemory(as: EventHeader.self, to: header)
        let record = unsafe EventRecord(base)
        let partsBase = unsafe (base + MemoryLayout<EventHeader>.stride).bindMemory(
            to: EventPart.self, capacity: parts.count)
        for index in parts.indices {
            let part = parts[index]
            unsafe (partsBase + index).initialize(
                to: EventPart(slot: part.slot, tailOffset: UInt32(part.offset), tailCount: UInt32(part.count)))
        }
        let textBase = unsafe base + MemoryLayout<EventHeader>.stride + partsBytes
        unsafe textBase.copyMemory(from: text.bytes.baseAddress.unsafelyUnwrapped, byteCount: text.count)
        return unsafe record
    }

    private func free(_ record: EventRecord) {
        unsafe memoryBytes -= record.bytes
        unsafe record.base.deallocate()
    }
}
