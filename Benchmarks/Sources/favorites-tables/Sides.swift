import CTablePeers
import Model
import Store

/// One table under measurement.
protocol Side: AnyObject {
    var name: String { get }
    /// Before and after a thread's calls of the others.
    func enter()
    func leave()
    /// A function of the calling thread's own that looks up the ids of a range, whole guards, and returns the sum of
    /// what it read. Traps where one is missing. Any number of threads at once.
    func reader(_ ids: Lookups) -> (Range<Int>) -> UInt64
    /// Replaces a record. One thread at a time.
    func update(_ index: Int, _ score: Int)
}

/// The store, filled through its writer as a node's is.
final class Ours {
    let store: Store
    private let writer: StoreWriter
    private let offer: Offer
    private var arena = MessageArena()
    private(set) var jsonBytes = 0
    static let partition = PartitionID(0)

    init(_ offer: Offer) {
        self.offer = offer
        store = Store(partitionCounts: [1, 1, 1, 1, 1, 1])
        writer = StoreWriter(store)
        for team in 0..<Offer.teamCount {
            let message = Offer.participant(team, &arena)
            _ = writer.apply(.participant(message), arena, partition: Self.partition, offset: Offset(0))
        }
        for index in 0..<offer.records { update(index, 0) }
        writer.setReady([Self.partition])
        while writer.rerender(budget: 10_000) {}
        writer.reclaim()
        unsafe forEachRecord { _, _, json in jsonBytes += json.count }
    }

    func update(_ index: Int, _ score: Int) {
        let message = offer.message(index, score: score, &arena)
        _ = writer.apply(.event(message), arena, partition: Self.partition, offset: Offset(Int64(score)))
        if score & 63 == 0 { writer.reclaim() }
    }

    /// Each event's number, start and JSON, for the other sides.
    func forEachRecord(_ body: (Int, Int64, UnsafeBufferPointer<UInt8>) -> Void) {
        let reader = StoreReader(store)
        for index in 0..<offer.records {
            reader.read { view in
                guard let found = unsafe view.event(offer.ids[index], in: Self.partition) else { return }
                unsafe body(index, found.record.start.milliseconds, found.record.json)
            }
        }
    }
}

/// The store, asked for one id after the other or for 16 at once; one guard for 16 in both.
final class StoreSide: Side {
    let name: String
    private let ours: Ours
    private let isBatched: Bool

    init(_ ours: Ours, isBatched: Bool) {
        name = isBatched ? "favorites, 16 at once" : "favorites"
        self.ours = ours
        self.isBatched = isBatched
    }

    func enter() {}
    func leave() {}
    func update(_ index: Int, _ score: Int) { ours.update(index, score) }

    func reader(_ ids: Lookups) -> (Range<Int>) -> UInt64 {
        let reader = StoreReader(ours.store)
        let isBatched = isBatched
        return { range in
            var found = 0
            let span = ids.ours.span.extracting(range)
            let sum = isBatched ? readAtOnce(reader, span, &found) : readOneByOne(reader, span, &found)
            precondition(found == range.count, "\(range.count - found) ids were not found")
            return sum
        }
    }
}

@inline(__always)
private func touch(_ record: EventRecord) -> UInt64 {
    let word = unsafe UnsafeRawPointer(record.json.baseAddress.unsafelyUnwrapped).loadUnaligned(as: UInt64.self)
    return unsafe UInt64(bitPattern: record.start.milliseconds) &+ word
}

private func readOneByOne(_ reader: StoreReader, _ ids: Span<ID>, _ found: inout Int) -> UInt64 {
    var sum: UInt64 = 0
    for from in stride(from: 0, to: ids.count, by: peer_guard_ids) {
        reader.read { view in
            for index in from..<from + peer_guard_ids {
                guard let event = unsafe view.event(ids[index], in: Ours.partition) else { continue }
                found += 1
                unsafe sum &+= touch(event.record)
            }
        }
    }
    return sum
}

private func readAtOnce(_ reader: StoreReader, _ ids: Span<ID>, _ found: inout Int) -> UInt64 {
    var sum: UInt64 = 0
    for from in stride(from: 0, to: ids.count, by: peer_guard_ids) {
        let batch = ids.extracting(from..<from + peer_guard_ids)
        reader.read { view in
            unsafe view.forEachEvent(of: batch, in: { _ in Ours.partition }) { _, record in
                found += 1
                unsafe sum &+= touch(record)
            }
        }
    }
    return sum
}

/// A table of the others.
@safe
final class PeerSide: Side {
    let name: String
    private let kind: peer_kind
    private let table: OpaquePointer
    private let offer: Offer
    /// The JSON that an update stores: of the same length as what it replaces.
    private let json: [CChar]

    init(_ kind: peer_kind, _ ours: Ours, _ offer: Offer) {
        guard let table = unsafe kind.make(offer.records) else { preconditionFailure("no memory for a table") }
        unsafe name = String(cString: kind.name)
        unsafe self.kind = kind
        unsafe self.table = table
        self.offer = offer
        json = Array(repeating: 0x20, count: ours.jsonBytes / offer.records)
        unsafe kind.enter()
        unsafe ours.forEachRecord { index, start, json in
            var id = offer.bytes[index]
            unsafe json.withMemoryRebound(to: CChar.self) { json in
                unsafe kind.put(table, &id, start, json.baseAddress.unsafelyUnwrapped, json.count)
            }
        }
        unsafe kind.leave()
    }

    func enter() { unsafe kind.enter() }
    func leave() { unsafe kind.leave() }

    func update(_ index: Int, _ score: Int) {
        var id = offer.bytes[index]
        unsafe json.withUnsafeBufferPointer {
            unsafe kind.put(table, &id, Int64(score), $0.baseAddress.unsafelyUnwrapped, $0.count)
        }
    }

    func reader(_ ids: Lookups) -> (Range<Int>) -> UInt64 {
        { [kind = unsafe kind, table = unsafe table] range in
            var found = 0
            let sum = unsafe ids.theirs.withUnsafeBufferPointer {
                unsafe kind.read(table, $0.baseAddress.unsafelyUnwrapped + range.lowerBound, range.count, &found)
            }
            precondition(found == range.count, "\(range.count - found) ids were not found")
            return sum
        }
    }
}
