// The rule of snapshots: a file whose walk began at position O, and the messages from O on, give the exact state;
// whatever was changed, deleted or created again while the walk went on, and whatever a compaction has dropped since.

import Foundation
import Model
import Placement
import Snapshot
import Store
import TestSupport
import Testing

/// A file in memory.
private struct MemoryFile {
    var header: SnapshotHeader
    var bytes: [UInt8]
}

@Suite struct SnapshotReplayTests {
    /// Everything random about a round.
    fileprivate struct Round {
        var random: SeededGenerator
        var updates: UpdateGenerator
        let pipeline: Pipeline
        var files: [SnapshotScope: MemoryFile] = [:]

        init(seed: UInt64, packedBytesMax: Int = 0) {
            pipeline = Pipeline(packedBytesMax: packedBytesMax)
            random = SeededGenerator(seed: seed)
            ReferenceTests.load(pipeline, random: &random)
            updates = UpdateGenerator(seed: seed, reference: pipeline.reference)
            pipeline.settle()
        }

        mutating func change(_ count: Int) {
            for _ in 0..<count {
                let update = updates.next()
                _ = pipeline.apply(update.kind, key: update.key, value: update.value)
                if Bool.random(using: &random) { _ = pipeline.writer.rerender(budget: 2) }
                if Int.random(in: 0..<4, using: &random) == 0 { pipeline.writer.reclaim() }
                if Bool.random(using: &random) { pipeline.writer.publishGlobals() }
            }
        }

        /// Walks a scope while messages go on, as the writer's thread does.
        mutating func snapshot(_ scope: SnapshotScope) {
            let writer = pipeline.writer
            let count = pipeline.store.partitionCounts[Int(scope.kind.rawValue)]
            let partitions = scope.partitions(of: count)
            let isEvents = scope.kind == .event
            let resume = partitions.map { writer.applied($0) }
            let header = SnapshotHeader(
                scope: scope, topic: "t", partitionCount: count, clusterID: "c", createdMs: 0, caughtUpMs: 0,
                lineage: 1, positions: resume.map { SnapshotPosition(resume: $0, newest: $0, last: nil) },
                globalsLowest: isEvents ? writer.publishedGlobals : nil,
                globalsNewest: isEvents ? writer.publishedGlobals : nil)
            var encoder = SnapshotEncoder(header)
            var body: [UInt8] = []
            var walk = writer.beginWalk(scope)
            while !walk.isAtEnd {
                change(Int.random(in: 0..<4, using: &random))
                if let block = writer.nextBlock(&walk, slotsMax: Int.random(in: 1...9, using: &random)) {
                    body += encoder.block(block)
                }
            }
            encoder.end(
                newest: partitions.map { writer.applied($0) }, globalsNewest: isEvents ? writer.appliedGlobals : nil)
            files[scope] = MemoryFile(header: encoder.header, bytes: encoder.start() + body + encoder.finish())
        }

        /// The log from `start` on as a compaction may have left it: of each key its last valid message at least. (One that
        /// is invalid may push out the good version before it: no reader of such a log can help that.)
        mutating func compacted(_ source: TopicPartition, from start: Offset) -> [(
            Offset, key: [UInt8], value: [UInt8]?
        )] {
            let log = pipeline.log[source] ?? []
            var last: [[UInt8]: Int] = [:]
            for (index, message) in log.enumerated() where message.isValid { last[message.key] = index }
            var left: [(Offset, key: [UInt8], value: [UInt8]?)] = []
            for (index, message) in log.enumerated() where index >= start.rawValue {
                let isLast = last[message.key] == index
                guard isLast || Bool.random(using: &random) else { continue }
                left.append((Offset(Int64(index)), message.key, message.value))
            }
            return left
        }
    }

    private func checkedBlocks(_ file: MemoryFile) throws -> [SnapshotBlock] {
        var decoder = SnapshotDecoder()
        var checker: SnapshotChecker?
        var (start, blocks) = (0, [SnapshotBlock]())
        while !decoder.isAtEnd {
            let taken = decoder.needed
            let piece = try decoder.step(file.bytes.span.extracting(start..<file.bytes.count))
            start += taken
            if case .header(let header)? = piece { checker = SnapshotChecker(header) }
            if case .block(let block)? = piece {
                try checker?.check(block)
                blocks.append(block)
            }
        }
        return blocks
    }

    /// Loads a file; reading goes on at its positions.
    private func load(
        _ file: MemoryFile, _ fresh: Pipeline, trusts: Bool = true
    ) throws -> SnapshotLoad {
        let writer = fresh.writer
        let reader = StoreReader(fresh.store)
        let before = reader.progress
        var load = writer.beginLoad(file.header.scope, renderedAt: trusts ? file.header.globalsLowest : nil)
        for block in try checkedBlocks(file) {
            try #require(writer.load(block, &load) == nil)
        }
        writer.endLoad(&load)
        var audit = writer.beginAudit(load)
        var outcome = AuditOutcome.goesOn
        while outcome == .goesOn { outcome = writer.auditSlice(&audit, words: 64) }
        #expect(outcome == .agrees)
        let count = file.header.partitionCount
        for partition in file.header.scope.partitions(of: count) {
            writer.advance(partition, to: file.header.position(of: partition).resume)
        }
        // Who keeps an answer by it asks again.
        #expect(load.records == 0 || reader.progress > before)
        return load
    }

    /// A fresh store out of the files and the log. `without`: scopes whose file is lost.
    private func restore(
        _ round: inout Round, without: Set<SnapshotScope> = [], trusts: Bool, packedBytesMax: Int = 0
    ) throws -> Pipeline {
        let fresh = Pipeline(
            isReady: false, packedBytesMax: packedBytesMax, reference: round.pipeline.reference)
        for kind in GlobalPosition.kinds.reversed() {
            let file = without.contains(.topic(kind)) ? nil : round.files[.topic(kind)]
            if let file { _ = try load(file, fresh) }
            for partition in 0..<fresh.store.partitionCounts[Int(kind.rawValue)] {
                let source = TopicPartition(kind, PartitionID(partition))
                let start = file?.header.position(of: source).resume ?? Offset(0)
                for message in round.compacted(source, from: start) {
                    _ = fresh.replay(source, message.0, key: message.key, value: message.value)
                }
            }
        }
        for partition in 0..<Pipeline.partitions {
            let source = TopicPartition(.event, PartitionID(partition))
            let file = without.contains(SnapshotScope(source)) ? nil : round.files[SnapshotScope(source)]
            if let file { _ = try load(file, fresh, trusts: trusts) }
            for message in round.compacted(source, from: file?.header.positions[0].resume ?? Offset(0)) {
                _ = fresh.replay(source, message.0, key: message.key, value: message.value)
            }
            if Bool.random(using: &round.random) { _ = fresh.writer.rerender(budget: 5) }
            fresh.writer.setReady([PartitionID(partition)])
        }
        fresh.settle()
        return fresh
    }

    private static func scopes(_ random: inout SeededGenerator) -> [SnapshotScope] {
        let events = (0..<Pipeline.partitions).map { SnapshotScope.events(PartitionID($0)) }
        return (events + GlobalPosition.kinds.map { .topic($0) }).shuffled(using: &random)
    }

    /// In every order of the files: so participants' files are older than some events' and newer than others.
    @Test(arguments: 0..<8) func aSnapshotAndTheMessagesBehindItGiveTheExactState(round number: Int) throws {
        let seed = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment).seed &+ UInt64(number)
        var round = Round(seed: seed)
        round.change(200)
        for scope in Self.scopes(&round.random) {
            round.snapshot(scope)
            round.change(20)
        }
        round.pipeline.settle()
        var lost: Set<SnapshotScope> = []
        if number % 2 == 1 { lost = Set(Self.scopes(&round.random).prefix(4)) }
        let trusts = number % 4 != 3 && !lost.contains(.topic(.participant))
        let fresh = try restore(&round, without: lost, trusts: trusts)
        try ReferenceTests.compare(fresh, requests: 150, seed: seed, sports: ["soccer", "tennis"])

        // And it goes on from there.
        var updates = UpdateGenerator(seed: seed, reference: fresh.reference)
        for kind in ModelKind.allCases { #expect(fresh.writer.count(kind) == round.pipeline.writer.count(kind)) }
        for _ in 0..<100 {
            let update = updates.next()
            let partitions = fresh.store.partitionCounts[Int(update.kind.rawValue)]
            let source = TopicPartition(update.kind, Self.partition(update.key, partitions))
            fresh.reference.apply(update.kind, key: update.key, value: update.value)
            let next = fresh.writer.applied(source)
            _ = fresh.replay(source, next, key: update.key, value: update.value)
        }
        fresh.settle()
        try ReferenceTests.compare(fresh, requests: 80, seed: seed &+ 1, sports: ["soccer", "tennis"])
    }

    private static func partition(_ key: [UInt8], _ partitions: Int) -> PartitionID {
        Partitioner.partition(of: key.span, partitions: partitions)
    }

    /// The rule has a limit, and this is what it looks like: the tombstone of a key in the file is gone from the log.
    /// So such a file must be refused by its age (`BootPlan`).
    @Test func aLostTombstoneBringsADeletedKeyBack() throws {
        let pipeline = Pipeline()
        let value = Array(
            #"{"id":"e","sport":"soccer","stageId":"s","scheduledStart":"2025-08-16T14:00:00Z","status":"FINISHED","participants":[{"id":"p"}]}"#
                .utf8)
        #expect(pipeline.apply(.event, key: Array("e".utf8), value: value))
        let partition = Self.partition(Array("e".utf8), Pipeline.partitions)
        var walk = pipeline.writer.beginWalk(.events(partition))
        let block = try #require(pipeline.writer.nextBlock(&walk, slotsMax: 100))
        #expect(pipeline.apply(.event, key: Array("e".utf8), value: nil))
        #expect(pipeline.writer.count(.event) == 0)

        let fresh = Pipeline(isReady: false)
        var load = fresh.writer.beginLoad(.events(partition), renderedAt: nil)
        #expect(fresh.writer.load(block, &load) == nil)
        fresh.writer.endLoad(&load)
        #expect(fresh.writer.count(.event) == 1)
    }

    /// What `snapshot export` prints, published again, gives the same answers.
    @Test func exportedMessagesSayTheSame() throws {
        var round = Round(seed: 13)
        round.change(300)
        round.pipeline.settle()
        for scope in Self.scopes(&round.random) { round.snapshotQuietly(scope) }
        let fresh = Pipeline()
        for file in round.files.values {
            var export = SnapshotExport(file.header)
            for block in try checkedBlocks(file) {
                export.forEachMessage(block) { id, value in
                    var key: [UInt8] = []
                    id.append(to: &key)
                    #expect(fresh.apply(file.header.scope.kind, key: key, value: value))
                }
            }
        }
        fresh.settle()
        let copy = Pipeline(reference: round.pipeline.reference)
        for (source, messages) in fresh.log {
            for (offset, message) in messages.enumerated() {
                let isTaken = copy.replay(source, Offset(Int64(offset)), key: message.key, value: message.value)
                #expect(isTaken && message.isValid)
            }
        }
        copy.settle()
        try ReferenceTests.compare(copy, requests: 120, seed: 13, sports: ["soccer", "tennis"])
    }

    /// A file is the same whether or not its writer kept packed fragments, and whoever loads it keeps what it keeps of
    /// messages.
    @Test(arguments: [false, true]) func aFileHoldsNothingPacked(trusts: Bool) throws {
        let seed = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment).seed
        let room = [0, 1 << 30]
        var rounds = room.map { Round(seed: seed, packedBytesMax: $0) }
        for index in rounds.indices {
            rounds[index].change(200)
            rounds[index].pipeline.settle()
            for scope in Self.scopes(&rounds[index].random) { rounds[index].snapshotQuietly(scope) }
        }
        #expect(rounds[0].files.mapValues(\.bytes) == rounds[1].files.mapValues(\.bytes), "seed \(seed)")
        for writer in rounds.indices {
            for reader in rounds.indices {
                let fresh = try restore(&rounds[writer], trusts: trusts, packedBytesMax: room[reader])
                let wanted = rounds[reader].pipeline.writer
                #expect(wanted.packedBytes > 0 || reader == 0)
                #expect(fresh.writer.packedBytes == wanted.packedBytes, "seed \(seed), \(writer) to \(reader)")
                #expect(fresh.writer.eventJSONBytes == wanted.eventJSONBytes && fresh.writer.unpackedCount == 0)
                try ReferenceTests.compare(fresh, requests: 60, seed: seed, sports: ["soccer", "tennis"])
            }
        }
    }

    /// A store with little room packs what fits and leaves the rest, from a file as from messages.
    @Test func aFileIsPackedAsFarAsThereIsRoom() throws {
        var round = Round(seed: 17)
        round.pipeline.settle()
        for scope in Self.scopes(&round.random) { round.snapshotQuietly(scope) }
        let fresh = try restore(&round, trusts: true, packedBytesMax: 5_000)
        #expect(fresh.writer.packedBytes >= 5_000 && fresh.writer.packedBytes < 5_400)
        #expect(fresh.writer.unpackedCount > 10)
        try ReferenceTests.compare(fresh, requests: 60, seed: 17, sports: ["soccer", "tennis"])
    }

    /// Files are loaded and dropped without leaving anything behind.
    @Test func aLoadedPartitionGivesItsMemoryBack() throws {
        var round = Round(seed: 7)
        for partition in 0..<Pipeline.partitions { round.snapshot(.events(PartitionID(partition))) }
        let fresh = Pipeline(isReady: false, packedBytesMax: 1 << 30)
        for partition in 0..<Pipeline.partitions {
            let file = try #require(round.files[.events(PartitionID(partition))])
            let load = try load(file, fresh, trusts: false)
            #expect(load.rerendered == load.records)
        }
        #expect(fresh.writer.count(.event) > 100 && fresh.writer.packedBytes > 0)
        for partition in 0..<Pipeline.partitions {
            fresh.writer.beginDrop(PartitionID(partition))
            while fresh.writer.dropSlice(budget: 10) {}
        }
        fresh.writer.reclaim()
        fresh.writer.reclaim()
        #expect(fresh.writer.memoryBytes == 0 && fresh.writer.retiredCount == 0)
        #expect(fresh.writer.packedBytes == 0 && fresh.writer.eventJSONBytes == 0)
        for kind in ModelKind.allCases { #expect(fresh.writer.count(kind) == 0) }
    }

    /// Records whose participants stand as they were rendered are not rendered again.
    @Test func onlyEventsOfChangedParticipantsAreRenderedAgain() throws {
        var round = Round(seed: 11)
        round.pipeline.settle()
        for kind in GlobalPosition.kinds { round.snapshotQuietly(.topic(kind)) }
        round.snapshotQuietly(.events(PartitionID(0)))
        let fresh = Pipeline(isReady: false)
        for kind in GlobalPosition.kinds.reversed() {
            let file = try #require(round.files[.topic(kind)])
            _ = try load(file, fresh)
        }
        let file = try #require(round.files[.events(PartitionID(0))])
        let load = try load(file, fresh)
        // Participants 20 and 21 are unknown; each event names two of 22.
        #expect(load.rerendered < load.records / 2 && load.records > 10)
    }
}

extension SnapshotReplayTests.Round {
    /// Without messages in between.
    fileprivate mutating func snapshotQuietly(_ scope: SnapshotScope) {
        let writer = pipeline.writer
        let count = pipeline.store.partitionCounts[Int(scope.kind.rawValue)]
        let globals = scope.kind == .event ? writer.publishedGlobals : nil
        let header = SnapshotHeader(
            scope: scope, topic: "t", partitionCount: count, clusterID: "c", createdMs: 0, caughtUpMs: 0, lineage: 1,
            positions: scope.partitions(of: count).map {
                SnapshotPosition(resume: writer.applied($0), newest: writer.applied($0), last: nil)
            }, globalsLowest: globals, globalsNewest: globals)
        var encoder = SnapshotEncoder(header)
        var body: [UInt8] = []
        var walk = writer.beginWalk(scope)
        while !walk.isAtEnd {
            if let block = writer.nextBlock(&walk, slotsMax: 1_000) { body += encoder.block(block) }
        }
        files[scope] = MemoryFile(header: encoder.header, bytes: encoder.start() + body + encoder.finish())
    }
}
