// Any bytes as a snapshot on its way into a store. The first byte says as what the rest is taken:
//
//   even: as a file, in pieces that the byte seeds; and as one that a peer hands over
//   odd:  as the raw bytes of one block, whose hashes are right: what a fault of the writer or a hostile peer can bring
//
// It fails on a crash, on a memory error, where pieces read otherwise than the whole, and where a store that took what
// the checker passed does not hold together, or keeps something when it is given up.

import Model
import Snapshot
import Store

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSnapshot(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes, count > 4 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if input[0] & 1 == 0 { file(input) } else { block(input) }
    return 0
}

private struct Outcome: Equatable {
    var pieces: [SnapshotDecoder.Piece] = []
    var error: SnapshotError?
}

private func file(_ input: [UInt8]) {
    let bytes = Array(input[1...])
    let whole = read(bytes) { $0 }
    var state = UInt64(input[0])
    let pieces = read(bytes) { left in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return 1 + Int((state >> 34) % UInt64(max(1, left)))
    }
    precondition(whole == pieces, "Cuts change what is read.")
    receive(bytes, whole, seed: state)
    guard whole.error == nil, case .header(let header)? = whole.pieces.first else { return }
    load(header, whole.pieces.compactMap { if case .block(let block) = $0 { block } else { nil } })
}

private func read(_ bytes: [UInt8], size: (Int) -> Int) -> Outcome {
    var outcome = Outcome()
    var decoder = SnapshotDecoder()
    var checker: SnapshotChecker?
    var (start, end) = (0, 0)
    do throws(SnapshotError) {
        while !decoder.isAtEnd {
            while end - start < decoder.needed {
                guard end < bytes.count else { throw SnapshotError(.truncated, "") }
                end = min(bytes.count, end + size(bytes.count - end))
            }
            let taken = decoder.needed
            let piece = try decoder.step(bytes.span.extracting(start..<end))
            start += taken
            guard let piece else { continue }
            if case .header(let header) = piece { checker = SnapshotChecker(header) }
            if case .block(let block) = piece { try checker?.check(block) }
            outcome.pieces.append(piece)
        }
    } catch { outcome.error = error }
    return outcome
}

/// As a peer's file: what comes to its end is what a file of the own disk would be, and nothing more.
private func receive(_ bytes: [UInt8], _ whole: Outcome, seed: UInt64) {
    var scope = SnapshotScope.events(PartitionID(0))
    if case .header(let header)? = whole.pieces.first {
        scope = header.scope
        let start = header.encodedStart()
        precondition((try? SnapshotHeader(start: start.span)) == header, "A header does not come back.")
    }
    var receiver = SnapshotReceiver(scope, rawBytesMax: 1 << 26)
    var (position, state) = (0, seed)
    do throws(SnapshotError) {
        while position < bytes.count, !receiver.isAtEnd {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let end = position + 1 + Int((state >> 34) % UInt64(bytes.count - position))
            try receiver.take(bytes.span.extracting(position..<end))
            position = end
        }
    } catch { return }
    guard receiver.isAtEnd else { return }
    let blocks = whole.pieces.compactMap { if case .block(let block) = $0 { block } else { nil } }
    precondition(whole.error == nil && receiver.blocks == blocks, "A peer's file is another one.")
}

/// Byte 1: the model; bytes 2 and 3: how many names and images the block says it has.
private func block(_ input: [UInt8]) {
    let kind = ModelKind.allCases[Int(input[1]) % ModelKind.allCases.count]
    let scope: SnapshotScope = kind == .event ? .events(PartitionID(0)) : .topic(kind)
    let globals = kind == .event ? GlobalPosition(partitionCounts: [1, 1, 1, 1, 1]) : nil
    let position = SnapshotPosition(resume: Offset(0), newest: Offset(0), last: nil)
    let header = SnapshotHeader(
        scope: scope, topic: "t", partitionCount: 1, clusterID: "c", createdMs: 0, caughtUpMs: 0, lineage: 0,
        positions: [position], globalsLowest: globals, globalsNewest: globals)
    let block = SnapshotBlock(raw: Array(input[4...]), names: Int(input[2]), records: Int(input[3]))
    var checker = SnapshotChecker(header)
    do throws(SnapshotError) { try checker.check(block) } catch { return }
    load(header, [block])
}

/// What the checker passed goes into a store, is packed there, and goes out again.
private func load(_ header: SnapshotHeader, _ blocks: [SnapshotBlock]) {
    let store = Store(partitionCounts: ModelKind.allCases.map { _ in Limits.partitionsMax })
    let writer = StoreWriter(store, packedBytesMax: 1 << 30)
    var load = writer.beginLoad(header.scope, renderedAt: nil)
    for block in blocks { precondition(writer.load(block, &load) == nil, "An empty store is full.") }
    writer.endLoad(&load)
    if header.scope.kind == .event {
        var audit = writer.beginAudit(load)
        var outcome = AuditOutcome.goesOn
        while outcome == .goesOn { outcome = writer.auditSlice(&audit, words: 64) }
        precondition(outcome == .agrees, "Index and records disagree.")
        guard case .events(let partition) = header.scope else { return }
        writer.setReady([partition])
        var walk = writer.beginWalk(header.scope)
        while !walk.isAtEnd { _ = writer.nextBlock(&walk, slotsMax: 100) }
        writer.beginDrop(partition)
        while writer.dropSlice(budget: 100) {}
        precondition(writer.count(.event) == 0, "A dropped partition keeps events.")
    }
    while writer.rerender(budget: 1_000) {}
    writer.reclaim()
}
