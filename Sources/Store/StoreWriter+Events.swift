public import Model
import Reclamation
import Render

/// Where the bytes of one participant of an event come from, while its record is put together.
struct PartSource {
    var slot: UInt32
    var tail: Range<Int>
    /// The bytes that show the participant, in the new record.
    var shownCount = 0
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
        guard store.memory.prepare(), let stageSlot = slot(of: .stage, event.stageID) else { return .refused(.full) }
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
        let hasRoom = unsafe store.partitions[Int(partition.rawValue)].index
            .makeRoom(&eventCounts[Int(partition.rawValue)], store.memory) { unsafe retireTable($0, $1) }
        guard hasRoom, let slot = eventSlots.allocate(in: store.events, store.memory) else {
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
        // Removing takes memory too, for the teams' shorter lists, before it gives any back. It is never refused.
        _ = store.memory.prepare()
        unsafe store.partitions[Int(partition.rawValue)].index
            .remove(id.hash, slot: slot, &eventCounts[Int(partition.rawValue)], store.memory) {
                unsafe retireTable($0, $1)
            }
        unsafe store.events.store(nil, at: slot)
        store.countRemoval()
        let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.part(part).slot
            if isListed[Int(partition.rawValue)] { removeEntry(entry, team: team) }
            release(.participant, team)
        }
        unsafe release(.stage, record.stageSlot)
        unsafe eventJSONBytes -= record.layout.jsonCount
        unsafe retire(record)
        retireSlot(.eventSlot(slot))
    }

    // MARK: - Putting a record in its place

    func insert(_ record: EventRecord, _ id: ID, at slot: UInt32) {
        unsafe retain(.stage, record.stageSlot)
        unsafe eventJSONBytes += record.layout.jsonCount
        unsafe store.events.store(record.base, at: slot)
        let partition = unsafe Int(record.partition.rawValue)
        if eventCounts[partition].live == 0 { changesAtLoad[partition] = participantChanges }
        unsafe store.partitions[partition].index.insert(id.hash, slot: slot, &eventCounts[partition])
        let entry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.part(part).slot
            retain(.participant, team)
            if isListed[partition] { insertEntry(entry, team: team) }
        }
    }

    /// New entries first, then the swap, then old entries: an event whose place does not change is never missing.
    func replace(_ slot: UInt32, by record: EventRecord) {
        guard let old = unsafe store.event(slot) else { return }
        let newEntry = unsafe TeamEntry(start: record.start.milliseconds, slot: slot)
        let oldEntry = unsafe TeamEntry(start: old.start.milliseconds, slot: slot)
        let moved = newEntry != oldEntry
        let isListed = unsafe isListed[Int(record.partition.rawValue)]
        for part in unsafe 0..<record.partCount where unsafe isFirst(part, record) {
            let team = unsafe record.part(part).slot
            let isNew = unsafe !old.hasParticipant(team)
            if isNew { retain(.participant, team) }
            if isListed, moved || isNew { insertEntry(newEntry, team: team) }
        }
        let otherStage = unsafe record.stageSlot != old.stageSlot
        if otherStage { unsafe retain(.stage, record.stageSlot) }
        unsafe store.events.store(record.base, at: slot)
        for part in unsafe 0..<old.partCount where unsafe isFirst(part, old) {
            let team = unsafe old.part(part).slot
            let isGone = unsafe !record.hasParticipant(team)
            if isListed, moved || isGone { removeEntry(oldEntry, team: team) }
            if isGone { release(.participant, team) }
        }
        if otherStage { unsafe release(.stage, old.stageSlot) }
        unsafe eventJSONBytes += record.layout.jsonCount - old.layout.jsonCount
        unsafe retire(old)
    }

    /// Whether no earlier part of the record is the same participant: it counts once for its team.
    func isFirst(_ part: Int, _ record: EventRecord) -> Bool {
        for earlier in 0..<part where unsafe record.part(earlier).slot == record.part(part).slot { return false }
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
            parts.append(PartSource(slot: slot, tail: 0..<0))
        }
        return true
    }

    /// Renders an event again from its own record: its participants are what changed. Returns whether it fitted.
    /// `text` holds what was rendered, fitting or not, so that the caller can tell the work.
    func rerenderEvent(_ slot: UInt32) -> Bool {
        text.removeAll()
        guard store.memory.prepare() else { return false }
        guard let old = unsafe store.event(slot), let id = unsafe ID(old.id.span) else { return true }
        parts.removeAll(keepingCapacity: true)
        for index in unsafe 0..<old.partCount {
            unsafe parts.append(PartSource(slot: old.part(index).slot, tail: old.tail(index)))
        }
        let shape = unsafe EventShape(
            id: id, sport: old.sport, status: old.status, start: old.start, stageSlot: old.stageSlot,
            partition: old.partition, offset: old.offset)
        let made = unsafe makeRecord(shape) { text in
            unsafe text.append(UnsafeBufferPointer(rebasing: old.json[old.layout.middle]))
        } tail: { _, source, text in
            unsafe text.append(UnsafeBufferPointer(rebasing: old.json[source.tail]))
        }
        guard let record = unsafe made else { return false }
        unsafe eventJSONBytes += record.layout.jsonCount - old.layout.jsonCount
        unsafe store.events.store(record.base, at: slot)
        unsafe retire(old)
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
        let isEscaped = appendNames()
        text.append(0x22)
        let middleOffset = text.count
        middle(&text)
        let middleCount = text.count - middleOffset
        for index in parts.indices {
            if index > 0 { text.append(0x2C) }
            if let participant = unsafe store[.participant].record(parts[index].slot) {
                let shown = unsafe participant.shown
                unsafe text.append(shown)
                parts[index].shownCount = shown.count
            }
            let start = text.count
            tail(index, parts[index], &text)
            parts[index].tail = start..<text.count
            // Names alone can reach 64 times the largest: stop before copying on.
            if text.count > Limits.eventRecordBytesMax { return nil }
        }
        text.append(ascii: "]}")
        let jsonCount = text.count
        guard jsonCount <= Limits.eventRecordBytesMax else { return nil }
        let header = unsafe EventHeader(
            start: shape.start, offset: shape.offset, hash: ContentHash(of: UnsafeRawBufferPointer(text.bytes)),
            layout: EventLayout(
                jsonCount: jsonCount, middle: middleOffset..<middleOffset + middleCount, idCount: shape.id.count,
                nameIsEscaped: isEscaped),
            stageSlot: shape.stageSlot, partition: shape.partition, partCount: parts.count, status: shape.status,
            sport: shape.sport)
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
        let isEscaped = header.layout.nameIsEscaped
        let packed = unsafe pack(text.bytes)
        var header = header
        header.layout.isPacked = unsafe packed != nil
        let plainBytes = unsafe EventRecord.plainBytes(
            jsonCount: text.count, partCount: parts.count, unescapedCount: isEscaped ? rawName.count : nil)
        let base = unsafe allocate(plainBytes + (packed?.count ?? 0))
        unsafe base.initializeMemory(as: EventHeader.self, to: header)
        var end = unsafe base + EventRecord.textOffset
        unsafe append(UnsafeRawBufferPointer(text.bytes), at: &end)
        for index in parts.indices {
            let part = EventPart(
                slot: parts[index].slot, tailOffset: parts[index].tail.lowerBound,
                shownCount: parts[index].shownCount)
            unsafe withUnsafeBytes(of: part) { unsafe append($0, at: &end) }
        }
        if isEscaped {
            unsafe withUnsafeBytes(of: UInt32(rawName.count)) { unsafe append($0, at: &end) }
            unsafe append(UnsafeRawBufferPointer(rawName.bytes), at: &end)
        }
        unsafe putPacked(packed, at: end)
        return unsafe EventRecord(base)
    }

    func append(_ bytes: UnsafeRawBufferPointer, at end: inout UnsafeMutableRawPointer) {
        guard let start = bytes.baseAddress else { return }
        unsafe end.copyMemory(from: start, byteCount: bytes.count)
        unsafe end += bytes.count
    }

    func free(_ record: EventRecord) {
        unsafe memoryBytes -= record.bytes
        packedBytes -= unsafe record.packed?.count ?? 0
        unsafe store.memory.free(UnsafeMutableRawPointer(mutating: record.base), record.bytes)
    }
}
