// Snapshots on the writer's thread: which partitions come out of one, its records into the store in slices, and the
// walk that writes one, in slices too.

import Model
public import Snapshot
import Store

/// What a snapshot says of a partition and only this thread knows.
struct PartitionNote {
    /// The last message read.
    var last: LastMessage?
    /// Bytes of messages read since the start.
    var changedBytes: UInt64 = 0
}

/// A file on its way into the store.
struct Restore {
    var header: SnapshotHeader
    /// It comes from a peer, which may take its time.
    var isPeers: Bool
    /// Nil until the file is read.
    var load: SnapshotLoad?
    /// The blocks that are left, last one first: each is freed when it is in the store.
    var blocks: [SnapshotBlock] = []
    /// Once they are all in the store.
    var audit: SnapshotAudit?
    var nanoseconds: UInt64 = 0
}

struct SnapshotState {
    /// Nil: no snapshots.
    let port: (any SnapshotPort)?
    private(set) var notes: [[PartitionNote]]
    /// Of the participants' topic; see `SnapshotHeader.lineage`.
    var lineage: UInt64
    var restores: [SnapshotScope: Restore] = [:]
    /// The one of them whose blocks go into the store.
    var placing: SnapshotScope?
    var order: SnapshotOrder?
    var walk: SnapshotWalk?

    init(port: (any SnapshotPort)?, partitionCounts: [Int], lineage: UInt64) {
        self.port = port
        self.lineage = lineage
        notes = partitionCounts.map { Array(repeating: PartitionNote(), count: $0) }
    }

    subscript(_ partition: TopicPartition) -> PartitionNote {
        get { notes[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] }
        set { notes[Int(partition.kind.rawValue)][Int(partition.partition.rawValue)] = newValue }
    }

    mutating func note(_ record: Record) {
        let (row, column) = unsafe (Int(record.source.kind.rawValue), Int(record.source.partition.rawValue))
        let key = unsafe UnsafeRawBufferPointer(record.key ?? UnsafeBufferPointer(start: nil, count: 0))
        notes[row][column].last = unsafe LastMessage(
            offset: record.offset, keyHash: snapshotKeyHash(key), timestampMs: record.timestampMs)
        notes[row][column].changedBytes += unsafe UInt64(key.count + (record.value?.count ?? 0))
    }
}

extension Ingest {
    /// Blocks put into the store in one turn, about 5 ms of work.
    static let restoreBlocks = 8
    /// Places of the index audited in one turn, below a millisecond's work.
    static let auditWords = 8_192
    /// Blocks walked in one turn, below a millisecond's work, and slots looked at for one.
    static let walkBlocks = 2
    static let walkSlots = 4_096

    /// Whether an events partition is on its way out of a file of the own disk. A peer's counts for nothing: its way may
    /// take long, or fail, and the next one may follow it at once.
    var isRestoringEvents: Bool {
        snapshots.restores.contains { scope, restore in
            scope.kind == .event && !restore.isPeers && isChecked(scope)
        }
    }

    /// Whether there is work that waits for no message.
    var isSnapshotBusy: Bool {
        guard let port = snapshots.port else { return false }
        if snapshots.walk != nil { return port.hasRoom }
        return snapshots.placing != nil
    }

    private func partitions(of scope: SnapshotScope) -> [TopicPartition] {
        scope.partitions(of: writer.store.partitionCounts[Int(scope.kind.rawValue)])
    }

    /// Bytes of messages of the scope since the start.
    public func changedBytes(_ scope: SnapshotScope) -> UInt64 {
        partitions(of: scope).reduce(0) { $0 + snapshots[$1].changedBytes }
    }

    /// The scopes whose state is whole, so that a snapshot of it may be written.
    public var snapshotScopes: [SnapshotScope] {
        let events = life.held.map { SnapshotScope.events($0) }
        return (events + GlobalPosition.kinds.map { .topic($0) }).filter(isWhole)
    }

    /// An events partition that readers may not ask for yet is rendered again by nobody. One that is read once more may
    /// hold keys that are gone: a file would bring them back at every restart.
    private func isWhole(_ scope: SnapshotScope) -> Bool {
        life.areGlobalsReady
            && partitions(of: scope).allSatisfy {
                life[$0] == .ready && (scope.kind != .event || writer.isReady($0.partition)) && rereads[$0] == nil
            }
    }

    /// Raw bytes of snapshots that are still to come into the store.
    public var restoringBytes: UInt64 { snapshots.restores.values.reduce(0) { $0 + $1.header.rawBytes } }

    // MARK: - Where reading begins

    /// The bounds of waiting partitions are known, or some of them.
    func begin(_ found: [(TopicPartition, LogBounds?)], askedMs: Int64) {
        var scopes: [SnapshotScope] = []
        var groups: [SnapshotScope: [(TopicPartition, LogBounds?)]] = [:]
        for (partition, bounds) in found {
            let scope = SnapshotScope(partition)
            if groups[scope] == nil { scopes.append(scope) }
            groups[scope, default: []].append((partition, bounds))
        }
        for scope in scopes { begin(scope, groups[scope] ?? [], askedMs, together: scopes.count) }
    }

    private func begin(
        _ scope: SnapshotScope, _ found: [(TopicPartition, LogBounds?)], _ askedMs: Int64, together: Int
    ) {
        if let port = snapshots.port, found.count == partitions(of: scope).count,
            scope.kind == .event || writer.count(scope.kind) == 0
        {
            let bounds = found.compactMap(\.1)
            // A file is used for all its partitions or for none: all are asked for again.
            guard bounds.count == found.count else { return }
            switch port.choose(scope, bounds, together: together) {
            case .wait: return
            case .file(let header, let isPeers):
                return beginRestore(header, isPeers: isPeers, Array(zip(found.map(\.0), bounds)), askedMs)
            case .log: break
            }
        }
        for (partition, bounds) in found {
            guard let bounds else { continue }
            snapshots[partition].last = nil
            watch.begin(partition, sinceMs: askedMs, start: bounds.start, askedMs: askedMs, end: bounds.end)
            rereads[partition] = nil
            // What an earlier reading left stays only if this one names it.
            if partition.kind != .event, writer.count(partition.kind) > 0 {
                beginReread(partition, target: bounds.end)
            }
            perform(life.found(partition, bounds))
        }
    }

    private func beginRestore(
        _ header: SnapshotHeader, isPeers: Bool, _ found: [(TopicPartition, LogBounds)], _ askedMs: Int64
    ) {
        snapshots.restores[header.scope] = Restore(header: header, isPeers: isPeers)
        for (partition, bounds) in found {
            // What an earlier reading named is no measure of what the file brings.
            rereads[partition] = nil
            // A message that the log has lost by retention says nothing.
            let position = header.position(of: partition)
            let last = position.last.flatMap { $0.offset >= bounds.start ? $0.offset : nil }
            watch.begin(
                partition, sinceMs: header.caughtUpMs, start: position.resume, askedMs: askedMs, end: bounds.end)
            perform(life.foundSnapshot(partition, bounds, message: last))
        }
        readIfChecked(header)
    }

    // MARK: - Is it the same log?

    /// The first message from the snapshot's last one on: the same, or a later one where compaction has taken it.
    func check(_ record: Record) {
        let source = unsafe record.source
        let scope = SnapshotScope(source)
        guard let last = snapshots.restores[scope]?.header.position(of: source).last,
            // What was still on its way for the file before this one.
            unsafe record.offset >= last.offset
        else { return }
        let key = unsafe UnsafeRawBufferPointer(record.key ?? UnsafeBufferPointer(start: nil, count: 0))
        let isOther =
            unsafe record.offset == last.offset
            && (snapshotKeyHash(key) != last.keyHash || record.timestampMs != last.timestampMs)
        if isOther { refuse(scope, .otherMessage(last.offset)) } else { passed(source) }
    }

    func passed(_ partition: TopicPartition) {
        perform(life.checked(partition))
        if let header = snapshots.restores[SnapshotScope(partition)]?.header { readIfChecked(header) }
    }

    private func readIfChecked(_ header: SnapshotHeader) {
        if isChecked(header.scope) { snapshots.port?.read(header) }
    }

    /// Whether the scope's file is known to be of this log in all its partitions.
    private func isChecked(_ scope: SnapshotScope) -> Bool {
        partitions(of: scope).allSatisfy { if case .restoring = life[$0] { true } else { false } }
    }

    private func refuse(_ scope: SnapshotScope, _ reason: BootRefusal) {
        snapshots.restores[scope] = nil
        snapshots.port?.refused(scope, reason)
        for partition in partitions(of: scope) {
            snapshots[partition].last = nil
            watch.beginAnew(partition)
            perform(life.refused(partition))
        }
    }

    /// Before `life` hears of it. A position that is gone while it is checked: the file does not fit the log any more.
    /// One of the participants': their offsets may be of another log from now on, so files must not be compared.
    func lostPosition(_ partition: TopicPartition) {
        if partition.kind == .participant { snapshots.lineage = snapshots.lineage &* 6_364_136_223_846_793_005 &+ 1 }
        let scope = SnapshotScope(partition)
        // An events partition is emptied and read anew; one that was not ready is read from the log's start.
        if partition.kind != .event, life[partition] == .ready { beginReread(partition, target: nil) }
        guard case .checking(let bounds) = life[partition], let header = snapshots.restores[scope]?.header else {
            return
        }
        refuse(scope, .belowStart(resume: header.position(of: partition).resume, start: bounds.start))
    }

    // MARK: - Into the store

    /// Forgets the files of partitions that are wanted no more.
    func giveUpRestores() {
        for scope in snapshots.restores.keys {
            let isWanted = partitions(of: scope).allSatisfy {
                switch life[$0] {
                case .checking, .restoring: true
                default: false
                }
            }
            guard !isWanted, var restore = snapshots.restores.removeValue(forKey: scope) else { continue }
            if snapshots.placing == scope { snapshots.placing = nil }
            if var load = restore.load.take() { writer.endLoad(&load) }
        }
        stockMemory()
    }

    func restoreSlice(clock: () -> UInt64) {
        guard let port = snapshots.port else { return }
        // One at a time: what waits in memory is the port's to bound.
        if snapshots.placing == nil, let read = port.takeRead() { take(read) }
        if snapshots.placing != nil { stockMemory() }
        guard let scope = snapshots.placing.take(), var restore = snapshots.restores.removeValue(forKey: scope),
            var load = restore.load.take()
        else { return }
        let began = clock()
        var problem: BootRefusal?
        var isDone = false
        if var audit = restore.audit {
            switch writer.auditSlice(&audit, words: Self.auditWords) {
            case .goesOn: restore.audit = audit
            case .agrees: isDone = true
            case .problem(let what): problem = .audit(what)
            }
        } else {
            problem = placeBlocks(of: &restore, &load)
            if problem == nil, restore.blocks.isEmpty {
                writer.endLoad(&load)
                restore.audit = writer.beginAudit(load)
            }
        }
        restore.nanoseconds += clock() - began
        guard problem != nil || isDone else {
            restore.load = load
            snapshots.restores[scope] = restore
            snapshots.placing = scope
            return
        }
        writer.endLoad(&load)
        end(restore, load, problem)
    }

    /// Memory for what is still to come is made ready elsewhere. What is left of it goes back when nothing comes any more and
    /// the teams' lists, which take of it too, are built.
    func stockMemory() {
        if let stock = writer.expectLoads(bytes: restoringBytes) { snapshots.port?.fill(stock) }
    }

    private func placeBlocks(of restore: inout Restore, _ load: inout SnapshotLoad) -> BootRefusal? {
        for _ in 0..<Self.restoreBlocks {
            guard let block = restore.blocks.popLast() else { break }
            if let refusal = writer.load(block, &load) { return .audit("the store is full (\(refusal))") }
        }
        return nil
    }

    private func take(_ read: SnapshotRead) {
        let header = read.header
        // What comes too late, for a file that was given up meanwhile, says nothing about the one that is wanted now. That
        // may be the same one, which is read again when it is checked.
        guard let restore = snapshots.restores[header.scope], restore.header == header, restore.load == nil,
            isChecked(header.scope)
        else { return }
        switch read.result {
        case .failure(let error): refuse(header.scope, .unreadable(error))
        case .success(let blocks):
            let load = writer.beginLoad(
                header.scope, records: Int(clamping: header.records),
                renderedAt: isComparable(header) ? header.globalsLowest : nil)
            snapshots.restores[header.scope]?.blocks = blocks.reversed()
            snapshots.restores[header.scope]?.load = load
            snapshots.placing = header.scope
        }
    }

    /// Whether the file's records can be compared with this store's participants: its offsets are of the same log, and
    /// it has seen nothing of it that is not here yet.
    private func isComparable(_ header: SnapshotHeader) -> Bool {
        let published = writer.publishedGlobals
        guard let newest = header.globalsNewest, header.lineage == snapshots.lineage,
            newest.partitionCounts == published.partitionCounts
        else { return false }
        return (0..<newest.partitionCounts[0]).allSatisfy {
            newest[.participant, PartitionID($0)] <= published[.participant, PartitionID($0)]
        }
    }

    private func end(_ restore: Restore, _ load: SnapshotLoad, _ problem: BootRefusal?) {
        let header = restore.header
        if let problem {
            snapshots.port?.refused(header.scope, problem)
            for partition in partitions(of: header.scope) {
                watch.beginAnew(partition)
                // A global topic's records stay where they are, and only those that its log names.
                if partition.kind != .event, case .restoring(let bounds) = life[partition] {
                    beginReread(partition, target: bounds.end)
                }
                perform(life.failed(partition))
            }
            return
        }
        if header.scope == .topic(.participant) { snapshots.lineage = header.lineage }
        snapshots.port?.restored(header, rerendered: load.rerendered, nanoseconds: restore.nanoseconds)
        for partition in partitions(of: header.scope) {
            let position = header.position(of: partition)
            snapshots[partition].last = position.last
            perform(life.restored(partition, at: position.resume))
        }
    }

    // MARK: - Out of the store

    func walkSlice() {
        guard let port = snapshots.port else { return }
        if snapshots.order == nil { snapshots.order = port.takeOrder() }
        guard let order = snapshots.order else { return }
        guard !port.isOrderCancelled else { return endWalk() }
        let wasRead = zip(partitions(of: order.scope), order.ends).allSatisfy {
            watch.isWhole($0, end: $1, askedMs: order.caughtUpMs)
        }
        guard isWhole(order.scope), wasRead else {
            endWalk()
            return port.abandon("\(order.scope) is being given up or read again")
        }
        if snapshots.walk == nil { beginWalk(order, port) }
        guard var walk = snapshots.walk.take() else { return }
        for _ in 0..<Self.walkBlocks where port.hasRoom && !walk.isAtEnd {
            if let block = writer.nextBlock(&walk, slotsMax: Self.walkSlots) { port.add(block) }
        }
        guard walk.isAtEnd else {
            snapshots.walk = walk
            return
        }
        endWalk()
        // Between two turns everything that was begun is applied: nothing newer can have been seen.
        port.finish(
            newest: partitions(of: order.scope).map { writer.applied($0) },
            globalsNewest: order.scope.kind == .event ? writer.appliedGlobals : nil)
    }

    private func endWalk() {
        snapshots.walk = nil
        snapshots.order = nil
    }

    /// Begins the walk when everything below the ends that were asked for is applied.
    private func beginWalk(_ order: SnapshotOrder, _ port: any SnapshotPort) {
        let partitions = partitions(of: order.scope)
        guard zip(partitions, order.ends).allSatisfy({ writer.applied($0.0) >= $0.1 }) else { return }
        let isEvents = order.scope.kind == .event
        let header = SnapshotHeader(
            scope: order.scope, topic: order.topic,
            partitionCount: writer.store.partitionCounts[Int(order.scope.kind.rawValue)], clusterID: order.clusterID,
            createdMs: 0, caughtUpMs: order.caughtUpMs, lineage: snapshots.lineage,
            positions: partitions.map {
                SnapshotPosition(
                    resume: writer.applied($0), newest: writer.applied($0), last: snapshots[$0].last)
            },
            globalsLowest: isEvents ? writer.publishedGlobals : nil,
            globalsNewest: isEvents ? writer.appliedGlobals : nil)
        snapshots.walk = writer.beginWalk(order.scope)
        port.begin(header)
    }
}
