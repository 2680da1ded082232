public import Model
import Render

/// What of a reference's record comes from its message.
struct ReferenceShape {
    var kind: ModelKind
    var id: ID
    var offset: Offset
    var partition: PartitionID
    var sport = Sport.soccer
    var shownCount = 0
    var first = noSlot
    var second = noSlot
    var positionScores: Int64?
    var positionTeams: Int64?
    var nameIsEscaped = false
    var escapedNameCount = 0
    var nameCount = 0
}

extension StoreWriter {
    public func apply(
        _ message: ParticipantMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        var shape = ReferenceShape(kind: .participant, id: message.id, offset: offset, partition: partition)
        shape.sport = message.sport
        open(&shape, name: message.name, arena)
        Fragments.optional(",\"shortName\":\"", message.shortName, arena, to: &text)
        Fragments.optional(",\"abbreviation\":\"", message.abbreviation, arena, to: &text)
        shape.shownCount = text.count
        Fragments.optional(",\"imageUrl\":\"", message.imageURL, arena, to: &text)
        return apply(&shape, first: message.regionID.map { (.region, $0) })
    }

    public func apply(
        _ message: StageMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        var shape = ReferenceShape(kind: .stage, id: message.id, offset: offset, partition: partition)
        shape.sport = message.sport
        shape.positionScores = message.positionScores
        shape.positionTeams = message.positionTeams
        open(&shape, name: message.name, arena)
        Fragments.optional(",\"slug\":\"", message.slug, arena, to: &text)
        return apply(
            &shape, first: message.categoryID.map { (.category, $0) }, second: message.seasonID.map { (.season, $0) })
    }

    public func apply(
        _ message: CategoryMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        var shape = ReferenceShape(kind: .category, id: message.id, offset: offset, partition: partition)
        shape.sport = message.sport
        open(&shape, name: message.name, arena)
        Fragments.optional(",\"slug\":\"", message.slug, arena, to: &text)
        return apply(&shape, first: message.regionID.map { (.region, $0) })
    }

    public func apply(
        _ message: RegionMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        var shape = ReferenceShape(kind: .region, id: message.id, offset: offset, partition: partition)
        open(&shape, name: message.name, arena)
        Fragments.optional(",\"code\":\"", message.code, arena, to: &text)
        return apply(&shape)
    }

    public func apply(
        _ message: SeasonMessage, _ arena: MessageArena, partition: PartitionID, offset: Offset
    ) -> ApplyResult {
        var shape = ReferenceShape(kind: .season, id: message.id, offset: offset, partition: partition)
        open(&shape, name: message.name, arena)
        return apply(&shape)
    }

    /// Applies the tombstone of a reference. Who names it goes on naming an unknown model.
    func deleteReference(_ kind: ModelKind, _ id: ID, partition: PartitionID, offset: Offset) -> ApplyResult {
        guard let slot = store[kind].find(id), let old = unsafe store[kind].record(slot), unsafe old.isKnown else {
            return .unchanged
        }
        startGlobal(kind, partition, offset)
        unsafe replace(kind, slot, old, by: makeUnknown(id))
        entities[Int(kind.rawValue) - 1].known -= 1
        freeIfUnused(kind, slot)
        return .deleted
    }

    // MARK: - The common way

    /// `rawName` gets the name as it is.
    private func open(_ shape: inout ReferenceShape, name: Text, _ arena: MessageArena) {
        text.removeAll()
        Fragments.open(shape.id, to: &text)
        let before = text.count
        rawName.removeAll()
        unsafe arena.withBytes(name) { unsafe rawName.append($0) }
        shape.nameIsEscaped = unsafe Fragments.name(rawName.bytes, to: &text)
        shape.escapedNameCount = text.count - before - Fragments.nameGap
        shape.nameCount = name.count
    }

    /// Publishes the record whose own fields stand in `text`.
    func apply(
        _ shape: inout ReferenceShape, first: (ModelKind, ID)? = nil, second: (ModelKind, ID)? = nil
    ) -> ApplyResult {
        guard text.count < Limits.referenceRecordBytesMax else { return .refused(.recordTooLarge) }
        guard store.memory.prepare() else { return .refused(.full) }
        // Finding slots may make unknown models, and their records need `text`.
        swap(&text, &fields)
        defer { swap(&text, &fields) }
        guard let slot = slot(of: shape.kind, shape.id) else { return .refused(.full) }
        guard resolve(first, into: &shape.first), resolve(second, into: &shape.second),
            let old = unsafe store[shape.kind].record(slot)
        else {
            freeIfUnused(shape.kind, slot)
            // The second had no place: what was made for the first goes again.
            if let (kind, _) = first, shape.first != noSlot { freeIfUnused(kind, shape.first) }
            return .refused(.full)
        }
        let wasKnown = unsafe old.isKnown
        startGlobal(shape.kind, shape.partition, shape.offset)
        let ownCount = fields.count
        if shape.kind != .participant { shape.shownCount = ownCount }
        let header = ReferenceHeader(
            offset: shape.offset.rawValue, hash: ContentHash(low: 0, high: 0),
            positionScores: shape.positionScores ?? 0, positionTeams: shape.positionTeams ?? 0, jsonCount: 0,
            shownCount: UInt32(shape.shownCount), ownCount: UInt32(ownCount),
            nameOffset: UInt32(Fragments.idOffset + shape.id.count + Fragments.nameGap),
            nameCount: UInt32(shape.nameCount), escapedNameCount: UInt32(shape.escapedNameCount),
            first: shape.first, second: shape.second, partition: UInt16(shape.partition.rawValue),
            idCount: UInt8(shape.id.count), sport: shape.sport, isKnown: true,
            hasPositionScores: shape.positionScores != nil, hasPositionTeams: shape.positionTeams != nil)
        let record = unsafe makeReference(
            shape.kind, header, own: fields.bytes, escapedNameOf: shape.nameIsEscaped ? rawName.bytes : nil)
        unsafe replace(shape.kind, slot, old, by: record)
        if !wasKnown { entities[Int(shape.kind.rawValue) - 1].known += 1 }
        return wasKnown ? .updated : .created
    }

    private func resolve(_ reference: (ModelKind, ID)?, into slot: inout UInt32) -> Bool {
        guard let (kind, id) = reference else { return true }
        guard let found = self.slot(of: kind, id) else { return false }
        slot = found
        return true
    }

    /// Swaps the record and passes the change on to whoever shows it.
    private func replace(_ kind: ModelKind, _ slot: UInt32, _ old: ReferenceRecord, by new: ReferenceRecord) {
        unsafe link(kind, slot, new)
        unsafe store[kind].records.store(new.base, at: slot)
        unsafe unlink(kind, slot, old, keeping: new)
        let looksSame = unsafe kind == .participant && equals(old.shown, new.shown)
        if !looksSame { passOn(kind, slot) }
        unsafe retire(old)
    }

    /// Puts a record with another derived part, and nothing else changed, in place.
    func rerenderReference(_ kind: ModelKind, _ slot: UInt32) {
        // Without memory it stays as it was: better than nothing.
        guard store.memory.prepare(), let old = unsafe store[kind].record(slot), unsafe old.isKnown else { return }
        let escaped = unsafe old.escapedName.count != old.name.count
        let new = unsafe makeReference(
            kind, old.header.pointee, own: old.own, escapedNameOf: escaped ? old.name : nil)
        unsafe store[kind].records.store(new.base, at: slot)
        unsafe retire(old)
    }

    // MARK: - Who names whom

    private func link(_ kind: ModelKind, _ slot: UInt32, _ record: ReferenceRecord) {
        let (first, second) = unsafe (record.first, record.second)
        if first != noSlot {
            switch kind {
            case .participant: regionParticipants.insert(slot, of: first)
            case .category: regionCategories.insert(slot, of: first)
            default: categoryStages.insert(slot, of: first)
            }
            retain(kind == .stage ? .category : .region, first)
        }
        if second != noSlot {
            seasonStages.insert(slot, of: second)
            retain(.season, second)
        }
    }

    private func unlink(_ kind: ModelKind, _ slot: UInt32, _ old: ReferenceRecord, keeping new: ReferenceRecord) {
        let (first, second) = unsafe (old.first, old.second)
        if first != noSlot {
            if unsafe first != new.first {
                switch kind {
                case .participant: regionParticipants.remove(slot, of: first)
                case .category: regionCategories.remove(slot, of: first)
                default: categoryStages.remove(slot, of: first)
                }
            }
            release(kind == .stage ? .category : .region, first)
        }
        if second != noSlot {
            if unsafe second != new.second { seasonStages.remove(slot, of: second) }
            release(.season, second)
        }
    }

    // MARK: - Making a record

    /// The record of a model that is named but not known: its id alone.
    func makeUnknown(_ id: ID) -> ReferenceRecord {
        text.removeAll()
        Fragments.open(id, to: &text)
        let header = unsafe ReferenceHeader(
            offset: -1, hash: ContentHash(of: UnsafeRawBufferPointer(text.bytes)), positionScores: 0,
            positionTeams: 0, jsonCount: UInt32(text.count), shownCount: UInt32(text.count),
            ownCount: UInt32(text.count), nameOffset: UInt32(Fragments.idOffset), nameCount: UInt32(id.count),
            escapedNameCount: UInt32(id.count), first: noSlot, second: noSlot, partition: 0,
            idCount: UInt8(id.count), sport: .soccer, isKnown: false, hasPositionScores: false,
            hasPositionTeams: false)
        // What is named and not known stands in few answers, and not for long.
        return unsafe copyReference(header, isFragment: false)
    }

    private func makeReference(
        _ kind: ModelKind, _ old: ReferenceHeader, own: UnsafeBufferPointer<UInt8>,
        escapedNameOf name: UnsafeBufferPointer<UInt8>?
    ) -> ReferenceRecord {
        text.removeAll()
        unsafe text.append(own)
        switch kind {
        case .participant:
            appendShown(",\"region\":", .region, old.first)
            text.append(0x7D)
        case .stage: appendStage(old)
        default: text.append(0x7D)
        }
        var header = old
        header.jsonCount = UInt32(text.count)
        unsafe header.hash = ContentHash(of: UnsafeRawBufferPointer(text.bytes))
        if let name = unsafe name {
            header.nameOffset = UInt32(text.count)
            unsafe text.append(name)
        }
        return unsafe copyReference(header, isFragment: kind == .participant || kind == .stage)
    }

    /// `,"category":{…},"region":{…},"season":{…}`, each where it is known.
    private func appendStage(_ header: ReferenceHeader) {
        if header.first != noSlot, let category = unsafe store[.category].record(header.first),
            unsafe category.isKnown
        {
            appendShown(",\"category\":", .category, header.first)
            unsafe appendShown(",\"region\":", .region, category.first)
        }
        appendShown(",\"season\":", .season, header.second)
    }

    private func appendShown(_ opening: StaticString, _ kind: ModelKind, _ slot: UInt32) {
        guard slot != noSlot, let record = unsafe store[kind].record(slot), unsafe record.isKnown else { return }
        text.append(ascii: opening)
        unsafe text.append(record.json)
    }

    private func copyReference(_ header: ReferenceHeader, isFragment: Bool) -> ReferenceRecord {
        let json = unsafe UnsafeBufferPointer(rebasing: text.bytes[..<Int(header.jsonCount)])
        let packed = unsafe isFragment ? pack(json) : nil
        var header = header
        header.isPacked = unsafe packed != nil
        let base = unsafe allocate(MemoryLayout<ReferenceHeader>.stride + text.count + (packed?.count ?? 0))
        unsafe base.initializeMemory(as: ReferenceHeader.self, to: header)
        unsafe (base + MemoryLayout<ReferenceHeader>.stride)
            .copyMemory(from: text.bytes.baseAddress.unsafelyUnwrapped, byteCount: text.count)
        unsafe putPacked(packed, at: base + MemoryLayout<ReferenceHeader>.stride + text.count)
        return unsafe ReferenceRecord(base)
    }
}

private func equals(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
    unsafe left.elementsEqual(right)
}
