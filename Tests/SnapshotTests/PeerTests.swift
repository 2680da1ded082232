import Model
import TestSupport
import Testing

@testable import Snapshot

/// A peer's file as it comes in: whole, and in every way that it may not come.
@Suite struct SnapshotReceiverTests {
    private static func file(
        _ scope: SnapshotScope = .events(PartitionID(3)), blocks: Int = 3,
        _ change: (inout SnapshotHeader) -> Void = { _ in }
    ) -> (bytes: [UInt8], header: SnapshotHeader, blocks: [SnapshotBlock]) {
        var header = Samples.header(scope)
        change(&header)
        let blocks = (0..<blocks).map { Samples.eventBlock(["e\($0)", "f\($0)"], first: $0 == 0) }
        var encoder = SnapshotEncoder(header)
        var body: [UInt8] = []
        for block in blocks { body += encoder.block(block) }
        encoder.end(newest: header.positions.map(\.newest), globalsNewest: header.globalsNewest)
        body += encoder.finish()
        return (encoder.start() + body, encoder.header, blocks)
    }

    /// Takes the bytes in pieces of at most `size`; returns what it threw.
    private func receive(
        _ bytes: [UInt8], size: Int, rawBytesMax: Int = 1 << 20, into receiver: inout SnapshotReceiver
    ) -> SnapshotError? {
        var position = 0
        do throws(SnapshotError) {
            while position < bytes.count, !receiver.isAtEnd {
                let end = min(bytes.count, position + size)
                try receiver.take(bytes.span.extracting(position..<end))
                position = end
            }
            return nil
        } catch {
            return error
        }
    }

    private func receive(_ bytes: [UInt8], size: Int = 1_000, rawBytesMax: Int = 1 << 20) -> SnapshotError? {
        var receiver = SnapshotReceiver(.events(PartitionID(3)), rawBytesMax: rawBytesMax)
        let error = receive(bytes, size: size, into: &receiver)
        if let error { return error }
        return receiver.isAtEnd ? nil : SnapshotError(.truncated, "")
    }

    @Test(arguments: [1, 7, 32, 1_000, 1 << 20]) func anyPiecesMakeTheFile(size: Int) {
        let file = Self.file()
        var receiver = SnapshotReceiver(.events(PartitionID(3)), rawBytesMax: 1 << 20)
        #expect(receive(file.bytes, size: size, into: &receiver) == nil)
        #expect(receiver.isAtEnd && receiver.header == file.header && receiver.blocks == file.blocks)
    }

    @Test func everyFlippedByteIsFound() {
        let file = Self.file()
        for index in file.bytes.indices {
            var bytes = file.bytes
            bytes[index] ^= 0x10
            #expect(receive(bytes) != nil, "byte \(index)")
        }
    }

    @Test func everyShorterFileIsShort() {
        let file = Self.file(blocks: 1)
        for count in file.bytes.indices { #expect(receive(Array(file.bytes[..<count])) != nil, "\(count) bytes") }
    }

    @Test func bytesBehindTheEndAreRefused() {
        #expect(receive(Self.file().bytes + [0], size: 1 << 20)?.code == .damaged)
    }

    @Test func anotherScopeIsRefused() {
        #expect(receive(Self.file(.events(PartitionID(4))).bytes)?.code == .transfer(.answer))
        #expect(receive(Self.file(.topic(.stage), blocks: 0).bytes)?.code == .transfer(.answer))
    }

    @Test func aFileThatIsTooLargeIsRefusedByItsHeader() {
        let file = Self.file()
        let raw = Int(file.header.rawBytes)
        #expect(receive(file.bytes, rawBytesMax: raw) == nil)
        #expect(receive(file.bytes, rawBytesMax: raw - 1)?.code == .transfer(.large))
    }

    /// Blocks that go on for ever, each of them right.
    @Test func aPeerSendsNoMoreThanItsHeaderSays() {
        let file = Self.file(blocks: 1)
        var encoder = SnapshotEncoder(Samples.header())
        var bytes = file.header.encodedStart()
        var receiver = SnapshotReceiver(.events(PartitionID(3)), rawBytesMax: 1 << 30)
        #expect(receive(bytes, size: 100, into: &receiver) == nil)
        var error: SnapshotError?
        var blocks = 0
        while error == nil, blocks < 1_000 {
            bytes = encoder.block(Samples.eventBlock(["e\(blocks)"], first: blocks == 0))
            blocks += 1
            error = receive(bytes, size: 100, into: &receiver)
        }
        #expect(error?.code == .malformed && blocks <= 4, "\(String(describing: error)) after \(blocks)")
        // Blocks of nothing at all, which no count would end.
        var empty = SnapshotReceiver(.events(PartitionID(3)), rawBytesMax: 1 << 30)
        _ = receive(file.header.encodedStart(), size: 100, into: &empty)
        var other = SnapshotEncoder(Samples.header())
        #expect(receive(other.block(SnapshotBlock(raw: [], names: 0, records: 0)), size: 100, into: &empty) != nil)
    }

    @Test func aHeaderAloneIsReadAndNothingElse() throws {
        let header = Self.file().header
        let start = header.encodedStart()
        #expect(try SnapshotHeader(start: start.span) == header)
        #expect(start.count <= SnapshotHeader.startBytesMax)
        for count in start.indices {
            #expect(throws: SnapshotError.self) { _ = try SnapshotHeader(start: start.span.extracting(first: count)) }
        }
        let longer = start + [0]
        #expect(throws: SnapshotError.self) { _ = try SnapshotHeader(start: longer.span) }
    }
}

@Suite struct SnapshotLeasesTests {
    private let second: UInt64 = 1_000_000_000

    private func leases(_ count: Int = 2) -> SnapshotLeases<String> { SnapshotLeases(countMax: count) }

    private func open(_ leases: inout SnapshotLeases<String>, _ number: UInt64, _ name: String, at seconds: UInt64)
        -> String
    {
        switch leases.open(number, name: name, bytes: 10, nowNs: seconds * second, { name + "!" }) {
        case .success(let lease): lease?.held ?? "none"
        case .failure(let refusal): "\(refusal)"
        }
    }

    @Test func atTheLimitOthersComeLater() {
        var leases = leases()
        #expect(open(&leases, 1, "a", at: 0) == "a!")
        #expect(open(&leases, 2, "a", at: 0) == "a!")
        #expect(open(&leases, 3, "a", at: 0) == "full")
        #expect(open(&leases, 1, "b", at: 0) == "taken")
        leases.close(2)
        #expect(open(&leases, 3, "b", at: 0) == "b!")
        #expect(leases.use(3, name: "b", nowNs: 0)?.bytes == 10)
        // A number stands for one file.
        #expect(leases.use(3, name: "a", nowNs: 0) == nil && leases.use(4, name: "a", nowNs: 0) == nil)
    }

    @Test func silenceEndsALease() {
        var leases = leases()
        _ = open(&leases, 1, "a", at: 0)
        #expect(leases.use(1, name: "a", nowNs: 9 * second) != nil)
        #expect(leases.use(1, name: "a", nowNs: 18 * second) != nil)
        #expect(leases.use(1, name: "a", nowNs: 28 * second) == nil && leases.count == 0)
    }

    @Test func noLeaseLastsForEver() {
        var leases = leases()
        _ = open(&leases, 1, "a", at: 0)
        var seconds: UInt64 = 0
        while leases.use(1, name: "a", nowNs: seconds * second) != nil, seconds < 10_000 { seconds += 5 }
        #expect(seconds == 900)
    }

    @Test func nothingIsHeldForAFileThatIsNotThere() {
        var leases = leases()
        let result = leases.open(1, name: "a", bytes: 0, nowNs: 0) { nil }
        guard case .success(nil) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(leases.count == 0)
    }
}

@Suite struct PeerPaceTests {
    private let ms: UInt64 = 1_000_000
    private let mib = 1_048_576

    /// Asks for a piece every 10 ms or when the one before has left; every tenth of a second reads have this p99.
    /// Returns the bytes that left between the two moments.
    private func run(
        _ pace: inout PeerPace, from: UInt64, to: UInt64, p99Ms: (_ isSending: Bool) -> Double
    ) -> (bytes: Int, refused: Int) {
        var (now, bytes, refused) = (from * ms, 0, 0)
        var measuredAt = now
        while now < to * ms {
            if now >= measuredAt + 100 * ms {
                pace.measured(p99Ns: p99Ms(pace.isSending) * 1e6, nowNs: now)
                measuredAt = now
            }
            if let wait = pace.take(bytes: mib / 2, nowNs: now) {
                bytes += mib / 2
                now += max(wait, ms)
            } else {
                refused += 1
                now += 100 * ms
            }
        }
        return (bytes, refused)
    }

    @Test func nothingLeavesBeforeTheUsualIsMeasured() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        #expect(pace.isIdle)
        #expect(pace.take(bytes: 1_000, nowNs: 5 * ms) == PeerPace.restNs)
        #expect(!pace.isIdle && !pace.isSending)
        #expect(pace.turn(5 * ms + PeerPace.restNs) && pace.isSending)
    }

    @Test func withQuietReadsItReachesItsLimitAndKeepsIt() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        _ = run(&pace, from: 0, to: 3_000) { _ in 1 }
        #expect(pace.bytesPerSecond == 100e6)
        let (bytes, _) = run(&pace, from: 3_000, to: 7_000) { _ in 1 }
        #expect(bytes <= 405_000_000 && bytes >= 340_000_000, "\(bytes)")
    }

    @Test func slowReadsMakeItFallAndPause() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        _ = run(&pace, from: 0, to: 2_000) { _ in 1 }
        let (bytes, _) = run(&pace, from: 2_000, to: 4_000) { $0 ? 2 : 1 }
        #expect(pace.bytesPerSecond == PeerPace.bytesPerSecondMin)
        let (least, refused) = run(&pace, from: 4_000, to: 8_000) { $0 ? 2 : 1 }
        #expect(least < bytes && Double(least) / 4 < PeerPace.bytesPerSecondMin && refused > 0, "\(least), \(refused)")
        _ = run(&pace, from: 8_000, to: 14_000) { _ in 1 }
        #expect(pace.bytesPerSecond > 50e6)
    }

    /// Slower reads that have come to stay are what is usual after the next rest.
    @Test func whatIsUsualChanges() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        _ = run(&pace, from: 0, to: 2_000) { _ in 1 }
        _ = run(&pace, from: 2_000, to: 30_000) { _ in 3 }
        #expect(pace.bytesPerSecond == 100e6)
    }

    @Test func differencesTooSmallToMeanAnythingAreLeftAlone() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        _ = run(&pace, from: 0, to: 3_000) { $0 ? 0.19 : 0.05 }
        #expect(pace.bytesPerSecond == 100e6)
    }

    @Test func itForgetsReadersThatAreGone() {
        var pace = PeerPace(bytesPerSecondMax: 100e6)
        _ = run(&pace, from: 0, to: 1_000) { _ in 1 }
        #expect(pace.turn(4_000 * ms) && pace.isIdle)
        #expect(pace.take(bytes: 1, nowNs: 5_000 * ms) == PeerPace.restNs)
    }
}

/// From where a scope comes back, when peers have files of it too.
@Suite struct PeerPlanTests {
    private static func header(resume: Int64, raw: UInt64 = 0, stored: UInt64 = 0) -> SnapshotHeader {
        var header = Samples.header()
        header.positions = [SnapshotPosition(resume: Offset(resume), newest: Offset(resume), last: nil)]
        (header.rawBytes, header.storedBytes, header.caughtUpMs) = (raw, stored, 0)
        return header
    }

    private static func facts(start: Int64 = 0, end: Int64, nowMs: Int64 = 1_000) -> BootFacts {
        BootFacts(
            topic: "favorites-api-events", clusterID: "c1uster",
            bounds: [LogBounds(start: Offset(start), end: Offset(end))], partitionCount: 8,
            deleteRetentionMs: 86_400_000, nowMs: nowMs, rates: BootRates())
    }

    enum Source: Equatable, Sendable { case own, peer(Int), log }

    struct Row: Sendable {
        var what: String
        var own: SnapshotHeader?
        var peers: [SnapshotHeader] = []
        var facts: BootFacts
        var source: Source
        var asks: Bool
    }

    static let million: Int64 = 1_000_000
    static let rows: [Row] = [
        Row(what: "a short log needs no file", facts: facts(end: 1_000), source: .log, asks: false),
        Row(what: "a long log, and no file anywhere", facts: facts(end: 10 * million), source: .log, asks: true),
        Row(
            what: "a long log, and a peer's file",
            peers: [header(resume: 9 * million, raw: 300 << 20, stored: 100 << 20)],
            facts: facts(end: 10 * million), source: .peer(0), asks: true),
        Row(
            what: "the peer that is further", peers: [header(resume: million), header(resume: 9 * million)],
            facts: facts(end: 10 * million), source: .peer(1), asks: true),
        Row(
            what: "a young file of its own asks nobody", own: header(resume: 10 * million - 10),
            facts: facts(end: 10 * million), source: .own, asks: false),
        Row(
            what: "an old file of its own, and a young one of a peer", own: header(resume: million),
            peers: [header(resume: 9 * million, stored: 30 << 20)], facts: facts(end: 10 * million), source: .peer(0),
            asks: true),
        Row(
            what: "its own where the peer's gains nothing", own: header(resume: 5 * million),
            peers: [header(resume: 5 * million)], facts: facts(end: 10 * million), source: .own, asks: true),
        Row(
            what: "a file that takes longer to come than the log takes to be read",
            peers: [header(resume: 2 * million, stored: 3 << 30)], facts: facts(end: 2 * million), source: .log,
            asks: true),
        Row(
            what: "a short log that has lost its beginning: the file has what it lost",
            peers: [header(resume: 950, raw: 900 << 20, stored: 300 << 20)], facts: facts(start: 900, end: 1_000),
            source: .peer(0), asks: true),
        Row(
            what: "the same, with a file of its own", own: header(resume: 950, raw: 900 << 20),
            facts: facts(start: 900, end: 1_000), source: .own, asks: true),
        Row(
            what: "a file of its own below the log's start is none", own: header(resume: 899),
            peers: [header(resume: 900)], facts: facts(start: 900, end: 1_000), source: .peer(0), asks: true),
        Row(
            what: "a log that has lost its beginning, and nobody has a file", facts: facts(start: 900, end: 1_000),
            source: .log, asks: true),
    ]

    /// A scope that is soon back alone is one of many that are not.
    @Test func manyShortLogsAreALongOne() {
        var facts = Self.facts(end: 30_000)
        #expect(!BootPlan.asksPeers(nil, facts))
        facts.together = 48
        #expect(BootPlan.asksPeers(nil, facts))
    }

    @Test(arguments: rows) func theSoonest(row: Row) {
        let usable = row.own.flatMap { BootPlan.refusal($0, row.facts) == nil ? $0 : nil }
        #expect(BootPlan.asksPeers(usable, row.facts) == row.asks, "\(row.what)")
        let source: Source =
            switch BootPlan.choose(row.own, peers: row.peers, row.facts) {
            case .snapshot: .own
            case .peer(let index, _): .peer(index)
            case .start: .log
            }
        #expect(source == row.source, "\(row.what)")
    }

    /// The age counts to the end of replay, the way from the peer included.
    @Test func theWayFromThePeerMakesItOlder() {
        let header = Self.header(resume: 0, stored: 30_000_000 * 100)
        let limit = BootPlan.ageLimitMs(86_400_000)
        let facts = Self.facts(end: 0, nowMs: limit - 50_000)
        #expect(BootPlan.refusal(header, facts) == nil)
        guard case .tooOld = BootPlan.refusal(header, isPeers: true, facts) else {
            Issue.record("a file that is too old when it is here was taken")
            return
        }
    }

    @Test func theRateOfPeersFollowsWhatIsMeasured() {
        var rates = BootRates()
        rates.received(bytes: 1_000, seconds: 1)
        #expect(rates == BootRates())
        for _ in 0..<20 { rates.received(bytes: 2_000_000, seconds: 0.02) }
        #expect(abs(rates.peerBytesPerSecond / 100e6 - 1) < 0.01)
    }

    /// A peer that had no time has said nothing about its file; one whose file or answer is wrong has.
    @Test func onlyWhatIsWrongSpeaksAgainstAFile() {
        for fault in PeerFault.allCases {
            let isPassing = ![.answer, .large].contains(fault)
            #expect(BootRefusal.unreadable(SnapshotError(.transfer(fault), "")).isPassing == isPassing, "\(fault)")
        }
        #expect(!BootRefusal.unreadable(SnapshotError(.damaged, "")).isPassing)
        #expect(!BootRefusal.belowStart(resume: Offset(1), start: Offset(2)).isPassing)
        #expect(!BootRefusal.otherCluster("x").isPassing)
    }

    @Test func everyFaultHasAReason() {
        for fault in PeerFault.allCases {
            #expect(BootRefusal.unreadable(SnapshotError(.transfer(fault), "")).reason == fault.rawValue)
        }
    }
}

@Suite struct PeerPatienceTests {
    private let second: UInt64 = 1_000_000_000

    @Test func pausesGrowAndTheTimeEnds() {
        var patience = PeerPatience(nowNs: 5 * second)
        var now = 5 * second
        var pauses: [UInt64] = []
        while let until = patience.pause(nowNs: now) {
            pauses.append(until - now)
            now = until
        }
        #expect(pauses.prefix(6).map { $0 * 2 / second } == [1, 2, 4, 8, 16, 20])
        #expect(pauses.allSatisfy { $0 <= PeerPatience.pauseMaxNs } && patience.pauses == pauses.count)
        #expect(now == 5 * second + PeerPatience.longestNs)
        #expect(patience.pause(nowNs: .max / 2) == nil)
    }
}

@Suite struct LoadQueueTests {
    private func header(_ kind: ModelKind, _ rawBytes: UInt64) -> SnapshotHeader {
        var header = Samples.header(.topic(kind), partitions: 1)
        header.rawBytes = rawBytes
        return header
    }

    @Test func loadersAndBytesAreBounded() {
        var queue = LoadQueue<Int>(filesMax: 2, bytesMax: 100)
        let files = [header(.stage, 60), header(.season, 40), header(.region, 1), header(.category, 500)]
        for (index, file) in files.enumerated() { queue.add(file, index) }
        #expect(queue.next()?.from == 0 && queue.next()?.from == 1)
        #expect(queue.next() == nil, "two are being read")
        queue.taken(files[0])
        #expect(queue.next()?.from == 2 && queue.next() == nil)
        queue.taken(files[1])
        #expect(queue.next() == nil, "one that is larger comes alone")
        queue.taken(files[2])
        #expect(queue.next()?.from == 3 && queue.next() == nil)
    }

    @Test func aFileThatCannotWaitIsNext() {
        var queue = LoadQueue<Int>(filesMax: 1, bytesMax: 100)
        for (index, kind) in [ModelKind.stage, .season, .region, .category].enumerated() {
            queue.add(header(kind, 1), index, isUrgent: index > 1)
        }
        var order: [Int] = []
        while let (header, from) = queue.next() {
            order.append(from)
            queue.taken(header)
        }
        #expect(order == [2, 3, 0, 1])
    }

    /// It was given up and is wanted again while its first file is read: two loaders have it.
    @Test func aScopeMayBeReadTwiceAtOnce() {
        var queue = LoadQueue<Int>(filesMax: 2, bytesMax: 100)
        let files = [header(.stage, 40), header(.stage, 50), header(.season, 1)]
        for (index, file) in files.enumerated() { queue.add(file, index) }
        #expect(queue.next()?.from == 0 && queue.next()?.from == 1)
        #expect(queue.next() == nil, "two are being read")
        queue.taken(files[1])
        queue.add(header(.region, 60), 3)
        #expect(queue.next()?.from == 2)
        queue.taken(files[2])
        #expect(queue.next()?.from == 3, "the first takes 40 bytes still")
    }
}
