import Model
import Testing

@testable import Store

/// A store with its writer, fed with messages made by hand instead of by the decoder.
final class Fixture {
    let store: Store
    let writer: StoreWriter
    private var arena = MessageArena()
    private var offset: Int64 = 0

    static func id(_ text: String) -> ID {
        guard let id = ID(text) else { preconditionFailure("no id: \(text)") }
        return id
    }

    init(partitions: Int = 2, retiredBytesMax: Int = 256 << 20, memoryBytesMax: Int = .max, packedBytesMax: Int = 0) {
        store = Store(partitionCounts: [partitions, 1, 1, 1, 1, 1], memoryBytesMax: memoryBytesMax)
        writer = StoreWriter(store, retiredBytesMax: retiredBytesMax, packedBytesMax: packedBytesMax)
        for partition in 0..<partitions { writer.setReady([PartitionID(partition)]) }
        writer.setGlobalsReady()
    }

    private func next() -> Offset {
        offset += 1
        return Offset(offset)
    }

    private func text(_ text: String?) -> Text? { text.map { arena.add($0.utf8) } }

    @discardableResult
    func event(
        _ id: String, partition: Int = 0, stage: String = "st", start: Int64 = 0, status: Status = .notStarted,
        teams: [String], score: String? = nil
    ) -> ApplyResult {
        arena.removeAll()
        for team in teams { arena.participants.append(EventParticipant(id: Self.id(team), score: text(score))) }
        let message = EventMessage(
            id: Self.id(id), sport: .soccer, stageID: Self.id(stage), start: Timestamp(milliseconds: start),
            status: status)
        return writer.apply(message, arena, partition: PartitionID(partition), offset: next())
    }

    @discardableResult
    func delete(event id: String, partition: Int = 0) -> ApplyResult {
        writer.deleteEvent(Self.id(id), partition: PartitionID(partition), offset: next())
    }

    @discardableResult
    func delete(_ kind: ModelKind, _ id: String) -> ApplyResult {
        writer.delete(kind, Self.id(id), partition: PartitionID(0), offset: next())
    }

    @discardableResult
    func participant(_ id: String, name: String, region: String? = nil) -> ApplyResult {
        arena.removeAll()
        let message = ParticipantMessage(
            id: Self.id(id), sport: .soccer, name: arena.add(name.utf8), regionID: region.map { Self.id($0) })
        return writer.apply(message, arena, partition: PartitionID(0), offset: next())
    }

    @discardableResult
    func stage(_ id: String, name: String, category: String? = nil, season: String? = nil) -> ApplyResult {
        arena.removeAll()
        let message = StageMessage(
            id: Self.id(id), sport: .soccer, name: arena.add(name.utf8), categoryID: category.map { Self.id($0) },
            seasonID: season.map { Self.id($0) })
        return writer.apply(message, arena, partition: PartitionID(0), offset: next())
    }

    @discardableResult
    func other(_ kind: ModelKind, _ id: String, name: String, region: String? = nil) -> ApplyResult {
        arena.removeAll()
        let name = arena.add(name.utf8)
        let (id, partition) = (Self.id(id), PartitionID(0))
        switch kind {
        case .region:
            return writer.apply(RegionMessage(id: id, name: name), arena, partition: partition, offset: next())
        case .season:
            return writer.apply(SeasonMessage(id: id, name: name), arena, partition: partition, offset: next())
        default:
            let message = CategoryMessage(id: id, sport: .soccer, name: name, regionID: region.map { Self.id($0) })
            return writer.apply(message, arena, partition: partition, offset: next())
        }
    }

    /// Does all that is left to do.
    func settle() {
        while writer.rerender(budget: 1_000) {}
        writer.reclaim()
    }

    func json(event id: String, partition: Int = 0) -> String? {
        let reader = StoreReader(store)
        return reader.read { view in
            unsafe view.event(Self.id(id), in: PartitionID(partition)).map {
                unsafe String(decoding: $0.record.json, as: UTF8.self)
            }
        }
    }

    func isPacked(event id: String, partition: Int = 0) -> Bool {
        let reader = StoreReader(store)
        return reader.read { view in
            unsafe view.event(Self.id(id), in: PartitionID(partition))?.record.packed != nil
        }
    }

    /// The slots of a team's events as readers see them.
    func events(of team: String) -> [UInt32] {
        guard let slot = store[.participant].find(Self.id(team)) else { return [] }
        var cursor = unsafe TeamCursor(list: store.teamList(slot), after: .min)
        var slots: [UInt32] = []
        while let entry = unsafe cursor.next() { slots.append(entry.slot) }
        return slots
    }

    func expectEmpty(_ comment: Comment? = nil) {
        settle()
        #expect(writer.retiredCount == 0 && writer.retiredBytes == 0, comment)
        #expect(
            writer.memoryBytes == 0 && writer.eventJSONBytes == 0 && writer.packedBytes == 0, comment)
        // What is left are the smallest tables and the slabs' pages, which stay.
        let slots =
            [writer.eventSlots.highWater, writer.entities[0].slots.highWater] + writer.entities.map(\.slots.highWater)
        let pages = slots.reduce(0) { $0 + ($1 + Slab.pageSlots - 1) / Slab.pageSlots }
        let tables = writer.eventCounts.count + writer.entities.count
        #expect(writer.liveBytes == tables * 128 + pages * Slab.pageSlots * 8, comment)
        for kind in ModelKind.allCases { #expect(writer.count(kind) == 0, comment) }
        #expect(writer.eventSlots.used == 0, comment)
        for state in writer.entities { #expect(state.slots.used == 0 && state.counts.live == 0, comment) }
        for partition in writer.eventCounts.indices {
            #expect(unsafe store.partitions[partition].index.capacity == 16, comment)
        }
        for kind in GlobalPosition.kinds { #expect(store[kind].index.capacity == 16, comment) }
    }
}
