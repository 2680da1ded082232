import Ingest
import Model
import Snapshot
import Store

/// Files in memory, and what was said about them. Everything is there at once.
final class MemoryPort: SnapshotPort {
    struct File: Equatable {
        var header: SnapshotHeader
        var blocks: [SnapshotBlock]
    }

    var files: [SnapshotScope: File] = [:]
    var facts = BootFacts(
        topic: "t", clusterID: "c", bounds: [], partitionCount: 0, deleteRetentionMs: 86_400_000, nowMs: 1_000,
        rates: BootRates())
    let counts: [Int]
    var refusals: [SnapshotScope: BootRefusal] = [:]
    var restoredScopes: [SnapshotScope] = []
    var rerendered = 0
    var damaged: Set<SnapshotScope> = []
    /// So often the port does not know yet.
    var waits: [SnapshotScope: Int] = [:]
    /// Files that come up when the one before was refused, last one first.
    var others: [SnapshotScope: [File]] = [:]
    var arePeers = false
    /// Files of events stay unread meanwhile.
    var holdsEvents = false
    private var reads: [SnapshotRead] = []

    var order: SnapshotOrder?
    var isOrderCancelled = false
    var room = Int.max
    var abandoned: [String] = []
    private var open: File?

    init(counts: [Int]) { self.counts = counts }

    func choose(_ scope: SnapshotScope, _ bounds: [LogBounds], together: Int) -> SnapshotChoice {
        facts.bounds = bounds
        facts.partitionCount = counts[Int(scope.kind.rawValue)]
        if let waits = waits[scope], waits > 0 {
            self.waits[scope] = waits - 1
            return .wait
        }
        while let file = files[scope] ?? nextFile(scope) {
            guard let refusal = BootPlan.refusal(file.header, facts) else {
                return .file(file.header, isPeers: arePeers)
            }
            refused(scope, refusal)
        }
        return .log
    }

    /// What another peer has, where the one before was refused.
    private func nextFile(_ scope: SnapshotScope) -> File? {
        guard let next = others[scope]?.popLast() else { return nil }
        files[scope] = next
        return next
    }

    func read(_ header: SnapshotHeader) {
        let scope = header.scope
        let result: Result<[SnapshotBlock], SnapshotError> =
            damaged.contains(scope) ? .failure(SnapshotError(.damaged, "")) : .success(files[scope]?.blocks ?? [])
        reads.append(SnapshotRead(header: header, result: result))
    }

    func takeRead() -> SnapshotRead? {
        reads.firstIndex { !holdsEvents || $0.header.scope.kind != .event }.map { reads.remove(at: $0) }
    }

    func fill(_ stock: RegionStock) { stock.fill() }
    func restored(_ header: SnapshotHeader, rerendered: Int, nanoseconds: UInt64) {
        restoredScopes.append(header.scope)
        self.rerendered += rerendered
    }

    func refused(_ scope: SnapshotScope, _ reason: BootRefusal) {
        files[scope] = nil
        refusals[scope] = reason
    }

    func takeOrder() -> SnapshotOrder? { order.take() }
    func begin(_ header: SnapshotHeader) { open = File(header: header, blocks: []) }
    var hasRoom: Bool { room > 0 }

    func add(_ block: SnapshotBlock) {
        room -= 1
        open?.blocks.append(block)
    }

    func finish(newest: [Offset], globalsNewest: GlobalPosition?) {
        guard var file = open.take() else { return }
        for index in newest.indices { file.header.positions[index].newest = newest[index] }
        file.header.globalsNewest = globalsNewest
        file.header.records = UInt64(file.blocks.reduce(0) { $0 + $1.records })
        files[file.header.scope] = file
    }

    func abandon(_ reason: String) {
        abandoned.append(reason)
        open = nil
    }
}
