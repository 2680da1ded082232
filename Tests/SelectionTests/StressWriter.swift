import Decode
import Model
import Placement
import Store
import Synchronization
import TestSupport

/// What writer and readers of the stress test share beside the store.
final class StressShared: Sendable {
    static let partitions = 4
    /// Dropped and loaded again while readers ask.
    static let movingPartition = PartitionID(3)
    static let eventCount = 48
    static let teamCount = 8
    static let stageCount = 5

    let store = Store(partitionCounts: [StressShared.partitions, 1, 1, 1, 1, 1])
    /// The highest version that was ever handed to the store; raised before.
    let newest = Atomic<Int>(0)
    let readersLeft: Atomic<Int>
    let problems = Mutex<[String]>([])

    /// Events 0 to 2 belong to team 0 alone, come first in its list, stay in their place and are never deleted.
    static let anchors = (0..<eventCount).filter { partition("e\($0)") != movingPartition }.prefix(3).map { "e\($0)" }
    static let deletable = (0..<eventCount).map { "e\($0)" }.filter { !anchors.contains($0) }

    init(readers: Int) { readersLeft = Atomic(readers) }

    static func partition(_ id: String) -> PartitionID {
        ID(id).map { Partitioner.partition(of: $0, partitions: partitions) } ?? PartitionID(0)
    }

    func report(_ problem: String) { problems.withLock { if $0.count < 20 { $0.append(problem) } } }
}

/// The writer: random updates in which every text carries the version of its message.
struct StressWriter: ~Copyable {
    private let shared: StressShared
    private let writer: StoreWriter
    private var random: SeededGenerator
    private var decoder = Decoder()
    private var arena = MessageArena()
    private var version = 0
    private var offset: Int64 = 0
    private var alive: [String: String] = [:]
    private var isDropping = false

    init(_ shared: StressShared, seed: UInt64) {
        self.shared = shared
        writer = StoreWriter(shared.store, retiredBytesMax: 1 << 20, packedBytesMax: 10_000)
        random = SeededGenerator(seed: seed)
    }

    /// Loads everything and opens the store.
    mutating func load() {
        for team in 0..<StressShared.teamCount { participant("p\(team)") }
        for stage in 0..<StressShared.stageCount { self.stage("s\(stage)") }
        for event in StressShared.anchors + StressShared.deletable { self.event(event) }
        for partition in 0..<StressShared.partitions { writer.setReady([PartitionID(partition)]) }
        writer.setGlobalsReady()
    }

    /// Goes on until the readers are done, at most `updatesMax` updates. Returns how many it made.
    mutating func run(updatesMax: Int) -> Int {
        var updates = 0
        while updates < updatesMax, shared.readersLeft.load(ordering: .acquiring) > 0 {
            update()
            updates += 1
            if number(3) == 0 { _ = writer.rerender(budget: number(8)) }
            if number(5) == 0 { writer.reclaim() }
            if isDropping { drop() }
        }
        return updates
    }

    /// After the readers have ended.
    mutating func end() -> Int {
        while writer.rerender(budget: 1_000) {}
        writer.reclaim()
        return writer.retiredCount
    }

    private mutating func number(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    private mutating func update() {
        switch number(100) {
        case 0..<55: event(number(4) == 0 ? anchor() : deletable())
        case 55..<75: delete(.event, deletable())
        case 75..<85: participant("p\(number(StressShared.teamCount))")
        case 85..<88: delete(.participant, "p\(number(StressShared.teamCount))")
        case 88..<95: stage("s\(number(StressShared.stageCount))")
        case 95..<99: delete(.stage, "s\(number(StressShared.stageCount))")
        default:
            guard !isDropping else { return }
            writer.beginDrop(StressShared.movingPartition)
            isDropping = true
        }
    }

    private mutating func anchor() -> String { StressShared.anchors[number(StressShared.anchors.count)] }
    private mutating func deletable() -> String { StressShared.deletable[number(StressShared.deletable.count)] }

    private mutating func drop() {
        if writer.dropSlice(budget: 3) { return }
        isDropping = false
        // Its events come again, as they were last.
        for (id, value) in alive where StressShared.partition(id) == StressShared.movingPartition {
            apply(.event, id, value)
        }
        writer.setReady([StressShared.movingPartition])
    }

    // MARK: - Messages

    private mutating func nextVersion() -> Int {
        version += 1
        shared.newest.store(version, ordering: .releasing)
        return version
    }

    private mutating func event(_ id: String) {
        let version = nextVersion()
        let isAnchor = StressShared.anchors.contains(id)
        let start = Timestamp(milliseconds: isAnchor ? 1_000 : 10_000 + Int64(number(20)) * 1_000)
        let teams = isAnchor ? [0, 1 + number(7)] : [number(8), number(8)]
        let participants = teams.map { #"{"id":"p\#($0)","score":"\#(version)","periodScores":["\#(version)"]}"# }
        let value =
            #"{"id":"\#(id)","sport":"soccer","stageId":"s\#(number(StressShared.stageCount + 2))","#
            + #""scheduledStart":"\#(start)","status":"NOT_STARTED","period":"\#(version)","minute":\#(version),"#
            + #""participants":[\#(participants.joined(separator: ","))]}"#
        alive[id] = value
        if isDropping, StressShared.partition(id) == StressShared.movingPartition { return }
        apply(.event, id, value)
    }

    private mutating func participant(_ id: String) {
        let version = nextVersion()
        apply(.participant, id, #"{"id":"\#(id)","sport":"soccer","name":"N\#(version)","shortName":"\#(version)"}"#)
    }

    private mutating func stage(_ id: String) {
        let version = nextVersion()
        apply(
            .stage, id,
            #"{"id":"\#(id)","sport":"soccer","name":"\#(version)","slug":"\#(version)","positionScores":\#(version % 3)}"#
        )
    }

    private mutating func delete(_ kind: ModelKind, _ id: String) {
        offset += 1
        guard let key = ID(id) else { return }
        guard kind == .event else {
            _ = writer.delete(kind, key, partition: PartitionID(0), offset: Offset(offset))
            return
        }
        alive[id] = nil
        let partition = StressShared.partition(id)
        if isDropping, partition == StressShared.movingPartition { return }
        _ = writer.delete(.event, key, partition: partition, offset: Offset(offset))
    }

    private mutating func apply(_ kind: ModelKind, _ id: String, _ value: String) {
        offset += 1
        let (key, value) = (Array(id.utf8), Array(value.utf8))
        do throws(InvalidMessage) {
            switch try decoder.decode(kind, key: key.span, value: value.span, into: &arena) {
            case .event(let event):
                _ = writer.apply(event, arena, partition: StressShared.partition(id), offset: Offset(offset))
            case .participant(let model):
                _ = writer.apply(model, arena, partition: PartitionID(0), offset: Offset(offset))
            case .stage(let model):
                _ = writer.apply(model, arena, partition: PartitionID(0), offset: Offset(offset))
            case .season, .region, .category: break
            }
        } catch {
            shared.report("\(error)")
        }
    }
}
