import Foundation
import Model
import TestSupport

@testable import Snapshot

/// Files made by hand, with everything that a file can have.
enum Samples {
    static func id(_ text: String) -> ID {
        guard let id = ID(text) else { preconditionFailure("no id: \(text)") }
        return id
    }

    static func header(_ scope: SnapshotScope = .events(PartitionID(3)), partitions: Int = 8) -> SnapshotHeader {
        var globals = GlobalPosition(partitionCounts: [2, 1, 1, 1, 3])
        for index in globals.offsets.indices { globals.set(Offset(Int64(index * 7)), at: index) }
        let positions = scope.partitions(of: partitions).map {
            SnapshotPosition(
                resume: Offset(100 + Int64($0.partition.rawValue)), newest: Offset(1_000),
                last: $0.partition.rawValue == 1
                    ? nil
                    : LastMessage(offset: Offset(99), keyHash: 0xABCD_EF01_2345_6789, timestampMs: 1_700_000_000_000))
        }
        return SnapshotHeader(
            scope: scope, topic: "favorites-api-\(scope.kind.plural)", partitionCount: partitions,
            clusterID: "c1uster", createdMs: 1_700_000_100_000, caughtUpMs: 1_700_000_099_000, lineage: 42,
            positions: positions, globalsLowest: scope.kind == .event ? globals : nil,
            globalsNewest: scope.kind == .event ? globals : nil)
    }

    /// The JSON of an event's image, and where its pieces stand.
    static func event(
        _ id: String, filler: Int = 0
    ) -> (json: [UInt8], fields: EventImageFields, parts: [(tailOffset: Int, shownCount: Int)]) {
        let open = #"{"id":"\#(id)","name":"A - B""#
        let middle = #","status":"FINISHED","scheduledStart":"2025-08-16T14:00:00Z","participants":["#
        var json = open + middle
        var parts: [(tailOffset: Int, shownCount: Int)] = []
        for (shown, tail) in [(#"{"id":"a","name":"A""#, #","score":"2"},"#), (#"{"id":"b","name":"B""#, "}")] {
            json += shown
            parts.append((json.utf8.count, shown.utf8.count))
            json += tail
        }
        json += String(repeating: " ", count: filler) + "]}"
        let fields = EventImageFields(
            stage: 0, start: -5, offset: 77, hashLow: 1, hashHigh: 2,
            middle: open.utf8.count..<open.utf8.count + middle.utf8.count, idCount: UInt8(id.utf8.count),
            status: .finished, sport: .tennis, partCount: 2)
        return (Array(json.utf8), fields, parts)
    }

    /// One block of events that name a stage and two participants. `first`: whether the names stand in it.
    static func eventBlock(_ ids: [String], first: Bool, filler: Int = 0) -> SnapshotBlock {
        var block = SnapshotBlockBuilder()
        if first {
            for (kind, id) in [(ModelKind.stage, "st"), (.participant, "a"), (.participant, "b")] {
                unsafe Array(id.utf8).withUnsafeBufferPointer { unsafe block.add(kind, id: $0) }
            }
        }
        for id in ids {
            let (json, fields, parts) = event(id, filler: filler)
            unsafe json.withUnsafeBufferPointer { json in
                unsafe block.add(fields, json: json, name: nil) {
                    (UInt32($0 + 1), parts[$0].tailOffset, parts[$0].shownCount)
                }
            }
        }
        return block.finish()
    }

    static func stageBlock(escapedNameCount: UInt32 = 5) -> SnapshotBlock {
        var block = SnapshotBlockBuilder()
        for (kind, id) in [(ModelKind.category, "c"), (.season, "s")] {
            unsafe Array(id.utf8).withUnsafeBufferPointer { unsafe block.add(kind, id: $0) }
        }
        let own = Array(#"{"id":"st","name":"\"Q\"","slug":"q""#.utf8)
        let fields = ReferenceImageFields(
            first: 0, second: 1, partition: 2, sport: .hockey, offset: 5, positionScores: -3, positionTeams: nil,
            shownCount: UInt32(own.count), escapedNameCount: escapedNameCount, idCount: 2)
        unsafe own.withUnsafeBufferPointer { own in
            unsafe Array("\"Q\"".utf8).withUnsafeBufferPointer { name in
                unsafe block.add(fields, own: own, nameCount: 3, name: name)
            }
        }
        return block.finish()
    }

    static func file(_ header: SnapshotHeader, _ blocks: [SnapshotBlock]) -> [UInt8] {
        var encoder = SnapshotEncoder(header)
        var body: [UInt8] = []
        for block in blocks { body += encoder.block(block) }
        encoder.end(
            newest: header.positions.map { Offset($0.newest.rawValue + 1) }, globalsNewest: header.globalsNewest)
        return encoder.start() + body + encoder.finish()
    }

    static func eventsFile() -> [UInt8] {
        file(
            header(),
            [
                eventBlock(["e1", "e2"], first: true), eventBlock(["e3"], first: false, filler: 3_000),
                eventBlock((4..<40).map { "e\($0)" }, first: false),
            ])
    }

    static func stagesFile() -> [UInt8] { file(header(.topic(.stage), partitions: 3), [stageBlock()]) }
}

/// What a file said before it ended or was refused.
struct Reading: Equatable {
    var pieces: [SnapshotDecoder.Piece] = []
    var error: SnapshotError?

    /// Reads a file as its reader does, checking every block. `size` is asked for the next piece's bytes.
    init(_ bytes: [UInt8], size: (Int) -> Int = { $0 }) {
        var decoder = SnapshotDecoder()
        var checker: SnapshotChecker?
        var (start, end) = (0, 0)
        do throws(SnapshotError) {
            while !decoder.isAtEnd {
                while end - start < decoder.needed {
                    guard end < bytes.count else { throw SnapshotError(.truncated, "") }
                    end = min(bytes.count, end + max(1, size(bytes.count - end)))
                }
                let taken = decoder.needed
                let piece = try decoder.step(bytes.span.extracting(start..<end))
                start += taken
                guard let piece else { continue }
                switch piece {
                case .header(let header): checker = SnapshotChecker(header)
                case .block(let block): try checker?.check(block)
                case .end: break
                }
                pieces.append(piece)
            }
            guard start == bytes.count else { throw SnapshotError(.damaged, "bytes behind the end") }
        } catch {
            self.error = error
        }
    }

    var isWhole: Bool { error == nil && pieces.last == .end }
}
