// A block of a snapshot: records out of the store, compressed; and read, checked, into another store.

import Model
import Snapshot
import Store

/// One block has the events of a partition, a third of a thousand.
func countSnapshots(_ counter: inout Counter) {
    let fixture = Fixture(isLoaded: true)
    let scopes = (0..<Fixture.partitions).map { SnapshotScope.events(PartitionID($0)) }
    let half = Fixture.partitions / 2
    counter.count("snapshot-write", half) { index in
        write(scopes[index], of: fixture).reduce(0) { $0 + $1.count }
    }
    let files = scopes.map { write($0, of: fixture) }
    let store = Store(partitionCounts: fixture.store.partitionCounts)
    let writer = StoreWriter(store)
    for (offset, sample) in Fixture.references().enumerated() {
        _ = writer.apply(sample.message, sample.arena, partition: sample.partition, offset: Offset(Int64(offset)))
    }
    // Each partition once: the first half as the warming up.
    var next = 0
    counter.count("snapshot-load", half) { _ in
        next += 1
        return load(files[next - 1], scopes[next - 1], into: writer)
    }
    writer.reclaim()
}

/// Behind all references: no event is rendered again.
private var newestGlobals: GlobalPosition {
    var globals = GlobalPosition(partitionCounts: [1, 1, 1, 1, 1])
    for index in globals.offsets.indices { globals.set(Offset(1_000_000), at: index) }
    return globals
}

private func header(_ scope: SnapshotScope) -> SnapshotHeader {
    let globals = newestGlobals
    return SnapshotHeader(
        scope: scope, topic: "favorites-api-events", partitionCount: Fixture.partitions, clusterID: "c", createdMs: 0,
        caughtUpMs: 0, lineage: 0, positions: [SnapshotPosition(resume: Offset(0), newest: Offset(0), last: nil)],
        globalsLowest: globals, globalsNewest: globals)
}

/// The file's pieces, each as it is written.
private func write(_ scope: SnapshotScope, of fixture: Fixture) -> [[UInt8]] {
    var walk = fixture.writer.beginWalk(scope)
    var encoder = SnapshotEncoder(header(scope))
    var pieces: [[UInt8]] = []
    while !walk.isAtEnd {
        if let block = fixture.writer.nextBlock(&walk, slotsMax: .max / 2) { pieces.append(encoder.block(block)) }
    }
    return [encoder.start()] + pieces + [encoder.finish()]
}

/// A function of its own, since a span must not outlive the scope it is taken in.
private func next(
    _ bytes: [UInt8], _ range: Range<Int>, _ decoder: inout SnapshotDecoder
) throws(SnapshotError) -> SnapshotDecoder.Piece? {
    try decoder.step(bytes.span.extracting(range))
}

private func load(_ pieces: [[UInt8]], _ scope: SnapshotScope, into writer: StoreWriter) -> Int {
    let bytes = pieces.flatMap { $0 }
    var decoder = SnapshotDecoder()
    var checker: SnapshotChecker?
    var load = writer.beginLoad(scope, renderedAt: newestGlobals)
    var position = 0
    do throws(SnapshotError) {
        while !decoder.isAtEnd {
            let needed = decoder.needed
            let piece = try next(bytes, position..<position + needed, &decoder)
            position += needed
            switch piece {
            case .header(let header): checker = SnapshotChecker(header)
            case .block(let block):
                try checker?.check(block)
                if let refusal = writer.load(block, &load) { preconditionFailure("refused: \(refusal)") }
            case .end, nil: break
            }
        }
    } catch {
        preconditionFailure("a file of the fixture is broken: \(error)")
    }
    writer.endLoad(&load)
    return load.records
}
