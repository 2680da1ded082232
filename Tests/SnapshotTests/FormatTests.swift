import Foundation
import Model
import TestSupport
import Testing

@testable import Snapshot

@Suite struct FormatTests {
    @Test func aFileReadsAsItWasWritten() throws {
        let blocks = [Samples.eventBlock(["e1", "e2"], first: true), Samples.eventBlock(["e3"], first: false)]
        let reading = Reading(Samples.file(Samples.header(), blocks))
        #expect(reading.error == nil)
        guard case .header(let header) = reading.pieces.first else {
            Issue.record("no header")
            return
        }
        var wanted = Samples.header()
        wanted.positions[0].newest = Offset(1_001)
        (wanted.records, wanted.names) = (3, 3)
        wanted.rawBytes = UInt64(blocks[0].raw.count + blocks[1].raw.count)
        wanted.storedBytes = header.storedBytes
        #expect(header == wanted)
        #expect(reading.pieces.dropFirst() == [.block(blocks[0]), .block(blocks[1]), .end])
        #expect(header.storedBytes < header.rawBytes && header.storedBytes > 0)
    }

    @Test func imagesSayWhatWasPutIn() {
        let block = Samples.eventBlock(["event-1"], first: true)
        var names: [String] = []
        block.forEachName { names.append("\($0.name) \($1)") }
        #expect(names == ["stage st", "participant a", "participant b"])
        unsafe block.forEachImage { bytes in
            let image = unsafe EventImage(bytes)
            unsafe #expect(image.id == Samples.id("event-1") && image.start == -5 && image.offset == 77)
            unsafe #expect(image.status == .finished && image.sport == .tennis && image.stage == 0)
            unsafe #expect(image.partCount == 2 && image.part(1).name == 2 && image.tail(1).count == 1)
            unsafe #expect(image.tail(0).count == #","score":"2"}"#.utf8.count && !image.nameIsEscaped)
            unsafe #expect(image.hashLow == 1 && image.hashHigh == 2)
            unsafe #expect(Array(image.json) == Samples.event("event-1").json)
            return true
        }
        unsafe Samples.stageBlock().forEachImage { bytes in
            let image = unsafe ReferenceImage(bytes)
            unsafe #expect(image.id == Samples.id("st") && image.sport == .hockey && image.partition == 2)
            unsafe #expect(image.first == 0 && image.second == 1 && image.positionScores == -3)
            unsafe #expect(image.positionTeams == nil && image.nameIsEscaped && image.nameCount == 3)
            unsafe #expect(Array(image.name) == Array("\"Q\"".utf8))
            return true
        }
    }

    @Test func emptyFilesOfEveryScopeAreFiles() {
        for scope in [SnapshotScope.events(PartitionID(0))] + GlobalPosition.kinds.map({ .topic($0) }) {
            #expect(Reading(Samples.file(Samples.header(scope, partitions: 512), [])).isWhole, "\(scope)")
        }
    }

    @Test func namesOfFilesLeadBackToTheirScope() {
        for scope in [SnapshotScope.events(PartitionID(0)), .events(PartitionID(511)), .topic(.category)] {
            #expect(SnapshotScope(fileName: scope.fileName) == scope)
        }
        for name in ["events.snapshot", "events-512.snapshot", "events-01.snapshot", "events-+1.snapshot", "x", ""] {
            #expect(SnapshotScope(fileName: name) == nil, "\(name)")
        }
    }

    @Test(arguments: [Samples.eventsFile(), Samples.stagesFile()])
    func piecesOfAnySizeReadTheSame(file: [UInt8]) {
        let whole = Reading(file)
        #expect(whole.isWhole)
        #expect(Reading(file) { _ in 1 } == whole)
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        for _ in 0..<50 {
            #expect(Reading(file) { Int.random(in: 1...$0, using: &random) } == whole, "seed \(random.seed)")
        }
    }

    @Test(arguments: [Samples.eventsFile(), Samples.stagesFile()])
    func aFileCutAnywhereIsRefused(file: [UInt8]) {
        for count in 0..<file.count {
            let reading = Reading(Array(file[..<count]))
            #expect(reading.error?.code == .truncated && !reading.pieces.contains(.end), "\(count) of \(file.count)")
        }
        #expect(Reading(file + [0]).error != nil)
    }

    @Test(arguments: [Samples.eventsFile(), Samples.stagesFile()])
    func everyFlippedByteIsSeen(file: [UInt8]) {
        for index in file.indices {
            for bit: UInt8 in [1, 0x80, 0xFF] {
                var bytes = file
                bytes[index] ^= bit
                let reading = Reading(bytes)
                #expect(!reading.isWhole, "byte \(index)")
            }
        }
    }

    @Test func blocksOfAnotherFileOrOrderAreRefused() {
        let blocks = [Samples.eventBlock(["e1"], first: true), Samples.eventBlock(["e2"], first: false)]
        var encoder = SnapshotEncoder(Samples.header())
        let parts = blocks.map { encoder.block($0) }
        let (start, end) = (encoder.start(), encoder.finish())
        #expect(Reading(start + parts[0] + parts[1] + end).isWhole)
        #expect(Reading(start + parts[1] + parts[0] + end).error?.code == .damaged)
        #expect(Reading(start + parts[0] + end).error?.code == .damaged)
        #expect(Reading(start + parts[0] + parts[0] + parts[1] + end).error?.code == .damaged)
        // Each of its parts is whole, but they are of two files.
        var other = SnapshotEncoder(Samples.header(.events(PartitionID(4))))
        for block in blocks { _ = other.block(block) }
        #expect(Reading(other.start() + parts[0] + parts[1] + end).error?.code == .damaged)
    }

    @Test func anUnknownVersionIsNamed() {
        var file = Samples.eventsFile()
        file[8] = 2
        #expect(Reading(file).error?.code == .version(2))
        #expect(Reading(Array("not a snapshot, surely not".utf8)).error?.code == .notASnapshot)
    }

    /// A peer's header with right hashes, whose times would overflow whoever reckons with them.
    @Test(arguments: [Int64.min, -1, .max]) func timesThatAreNoneAreRefused(time: Int64) {
        var created = Samples.header()
        created.createdMs = time
        var caughtUp = Samples.header()
        caughtUp.caughtUpMs = time
        for header in [created, caughtUp] {
            #expect(Reading(Samples.file(header, [])).error?.code == .malformed)
        }
    }

    /// Sizes that no block may have are refused before memory is taken for them.
    @Test func sizesAreLimitedBeforeAllocation() throws {
        let header = Samples.header()
        let encoder = SnapshotEncoder(header)
        func head(_ fields: [UInt32]) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(little: BlockHead.mark)
            for field in fields { bytes.append(little: field) }
            bytes.append(little: UInt64(0))
            return bytes
        }
        let most = UInt32(SnapshotLimits.blockRawBytesMax)
        let bad: [[UInt32]] = [
            [0, most + 1, 10, 0, 0], [0, .max, .max, 0, 0], [0, 10, 11, 0, 0], [0, 0, 0, 0, 0], [0, 100, 0, 0, 0],
            [0, 100, 50, 34, 0], [0, 100, 50, 0, 26], [0, 100, 50, .max, .max],
        ]
        for fields in bad { #expect(Reading(encoder.start() + head(fields)).error?.code == .damaged, "\(fields)") }
        var decoder = SnapshotDecoder()
        var file = encoder.start()
        file.replaceSubrange(12..<16, with: [0xFF, 0xFF, 0xFF, 0x7F])
        #expect(throws: SnapshotError.self) { _ = try decoder.step(file.span) }
    }
}

/// Hashes agree, the content does not: what only a fault of the writer, or a hostile peer, can bring.
@Suite struct CheckerTests {
    private func check(_ raw: [UInt8], names: Int, records: Int, _ header: SnapshotHeader) -> SnapshotError? {
        var checker = SnapshotChecker(header)
        do throws(SnapshotError) {
            try checker.check(SnapshotBlock(raw: raw, names: names, records: records))
            return nil
        } catch { return error }
    }

    /// No change of a byte crashes the checker or what reads the images it passes.
    @Test(arguments: [0, 1]) func everyChangedByteIsRefusedOrHarmless(sample: Int) {
        let block = sample == 0 ? Samples.eventBlock(["e1", "e2"], first: true) : Samples.stageBlock()
        let header = sample == 0 ? Samples.header() : Samples.header(.topic(.stage), partitions: 3)
        #expect(check(block.raw, names: block.names, records: block.records, header) == nil)
        var refused = 0
        for index in block.raw.indices {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] where block.raw[index] != value {
                var raw = block.raw
                raw[index] = value
                guard check(raw, names: block.names, records: block.records, header) == nil else {
                    refused += 1
                    continue
                }
                touch(SnapshotBlock(raw: raw, names: block.names, records: block.records), header.scope.kind)
            }
        }
        #expect(refused > block.raw.count / 2)
    }

    /// The store tells by the two lengths whether a name stands there unescaped too: a flag that says otherwise would
    /// give the record another size than it has.
    @Test func anEscapedNameIsLongerThanTheName() {
        let block = Samples.stageBlock(escapedNameCount: 3)
        let error = check(
            block.raw, names: block.names, records: block.records, Samples.header(.topic(.stage), partitions: 3))
        #expect(error != nil)
    }

    /// Reads everything that a load reads.
    private func touch(_ block: SnapshotBlock, _ kind: ModelKind) {
        var sum = 0
        block.forEachName { sum += $1.count + Int($0.rawValue) }
        unsafe block.forEachImage { bytes in
            if kind == .event {
                let image = unsafe EventImage(bytes)
                unsafe sum &+= image.id.count + Int(image.status.rawValue) + Int(image.sport.rawValue)
                for byte in unsafe Array(image.json) + Array(image.unescapedName) { sum &+= Int(byte) }
                for part in unsafe 0..<image.partCount { for index in unsafe image.tail(part) { sum &+= index } }
                for index in unsafe image.middle { sum &+= index }
            } else {
                let image = unsafe ReferenceImage(bytes)
                unsafe sum &+= image.id.count + Int(image.sport.rawValue)
                for byte in unsafe Array(image.own) { sum &+= Int(byte) }
                if unsafe image.nameIsEscaped { for byte in unsafe Array(image.name) { sum &+= Int(byte) } }
            }
            return true
        }
        #expect(sum != 0)
    }

    @Test func everyCutIsRefused() {
        let block = Samples.eventBlock(["e1", "e2"], first: true)
        for count in 0..<block.raw.count {
            let cut = Array(block.raw[..<count])
            #expect(check(cut, names: block.names, records: block.records, Samples.header())?.code == .malformed)
        }
        #expect(check(block.raw + [0], names: 3, records: 2, Samples.header())?.code == .malformed)
    }

    @Test func namesOfTheWrongKindAreRefused() {
        // The events name numbers 0 to 2, which nobody has brought.
        let block = Samples.eventBlock(["e1"], first: false)
        #expect(check(block.raw, names: 0, records: 1, Samples.header())?.code == .malformed)
        // Kinds that no event names, an event itself among them.
        let named = Samples.eventBlock(["e1"], first: true)
        for kind in ModelKind.allCases where kind != .stage {
            var raw = named.raw
            raw[0] = kind.rawValue
            #expect(check(raw, names: 3, records: 1, Samples.header())?.code == .malformed, "\(kind)")
        }
        let stages = Samples.stageBlock()
        let header = Samples.header(.topic(.participant), partitions: 3)
        #expect(check(stages.raw, names: 2, records: 1, header)?.code == .malformed)
        // Partition 2 of a topic of two.
        let small = Samples.header(.topic(.stage), partitions: 2)
        #expect(check(stages.raw, names: 2, records: 1, small)?.code == .malformed)
    }
}
