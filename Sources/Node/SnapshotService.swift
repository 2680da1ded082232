// A node's snapshots beside its writer's thread: what is on the disk, what comes from there, what goes there.
//
//   writer ── read(scope) ──► loaders (2 for the disk, 2 for peers) ── checked blocks ──► writer
//   writer ── choose(scope) ──► askers (4) ── headers of peers' files ──► choose again
//   schedule ── order ──► writer ── header, blocks, end ──► snapshot thread ── LZ4, write, fsync, rename ──► disk
//
// One box under a lock is between them. What it holds is bounded: one order, `blocksMax` blocks on the way out,
// `loadersMax` and `peerLoadersMax` files on the way in, and `SnapshotPeerLimits.peersMax` headers of each scope that is wanted. What comes from
// peers stands in `SnapshotService+Peers.swift`, what goes to them in `SnapshotSender.swift`.

import Cluster
import Foundation
import Ingest
import Kafka
import Logging
import Model
import Settings
import Snapshot
import Store
import Synchronization
import Telemetry

final class SnapshotService: SnapshotPort, Sendable {
    /// Blocks that wait for the snapshot thread: 2 MiB. At the limit the walk goes on in a later turn.
    static let blocksMax = 8
    /// Files of the own disk that are being read, or are in memory until the writer takes them; and files of peers.
    static let loadersMax = 2
    static let peerLoadersMax = 2
    /// Their raw bytes; a file that is larger comes alone.
    static let loadingBytesMax: UInt64 = 128 << 20

    /// How a scope came, or comes, back.
    enum Source: String { case snapshot, peer, log }

    enum Item {
        case begin(SnapshotHeader)
        case block(SnapshotBlock)
        case finish(newest: [Offset], globalsNewest: GlobalPosition?)
        case abandon(String)
    }

    struct State {
        var headers: [SnapshotScope: SnapshotHeader] = [:]
        var sources: [SnapshotScope: Source] = [:]
        var rates = BootRates()
        /// In the order of `ModelKind`, as the brokers told it last; nil where they do not.
        var deleteRetentionMs: [Int64?] = []
        /// Of each scope that is on its way back from a peer.
        var chosen: [SnapshotScope: PeerFile] = [:]
        var peers = PeerState()

        var own = LoadQueue<Void>(filesMax: loadersMax, bytesMax: loadingBytesMax)
        /// Loaders of their own: a file of the own disk waits for no peer.
        var others = LoadQueue<PeerFile>(filesMax: peerLoadersMax, bytesMax: loadingBytesMax)
        /// Loaders at work.
        var reading = 0
        var reads: [(read: SnapshotRead, isPeers: Bool)] = []

        /// Not yet taken by the writer.
        var order: SnapshotOrder?
        var isCancelled = true
        var items: [Item] = []
        var blocks = 0

        /// What could be written, with the bytes changed since the start.
        var changed: [SnapshotScope: UInt64] = [:]
        /// Events partitions that the node holds or is to hold, loaded or not; nil until it is placed.
        var held: [SnapshotScope]?
        /// What is loaded out of own files before the node is placed; empty from then on.
        var early = PartitionSet()
        /// When the process's end began, and when it must be over. Nil while the process is to go on.
        var end: (beganNs: UInt64, untilNs: UInt64)?
    }

    let settings: SnapshotSettings
    let kafka: KafkaClientOptions
    /// In the order of `ModelKind`.
    let topics: [String]
    let partitionCounts: [Int]
    let clusterID: String
    let metrics: SnapshotMetrics
    /// Nil: this node asks no peers.
    let peers: SnapshotPeerAccess?
    /// Hands files to peers.
    let sender: SnapshotSender
    let logger: Logger
    let state = Mutex(State())
    let wake = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)
    let peerLog = Mutex(RateLimitedLog())
    let pauseLog = Mutex(RateLimitedLog())
    let startedNs: UInt64

    init(
        _ settings: SnapshotSettings, _ writer: WriterSettings, partitionCounts: [Int], clusterID: String,
        deleteRetentionMs: [Int64?], registry: Registry, logger: Logger, startedNs: UInt64 = Clocks.monotonicNs()
    ) {
        self.startedNs = startedNs
        self.settings = settings
        kafka = writer.kafka
        topics = writer.topics
        self.partitionCounts = partitionCounts
        self.clusterID = clusterID
        state.withLock { $0.deleteRetentionMs = deleteRetentionMs }
        metrics = SnapshotMetrics(registry)
        peers = writer.peers
        sender = SnapshotSender(settings, serving: writer.peers?.serving, registry: registry, logger: logger)
        self.logger = logger
        registry.sampled("snapshot_age_seconds", .gauge, help: "Age of a partition's snapshot.") {
            [weak self] samples in
            self?.sampleAges(&samples)
        }
        registry.sampled("snapshot_disk_bytes", .gauge, help: "Bytes of all snapshots on disk.") {
            [weak self] samples in
            guard let self else { return }
            samples.add(Double(DiskFolder(path: self.settings.directory).list().reduce(0) { $0 + $1.bytes }))
        }
        scan()
    }

    private func sampleAges(_ samples: inout Samples) {
        let now = Clocks.wallMs()
        for header in state.withLock({ $0.headers.values.map { $0 } }) {
            samples.add(
                Double(max(0, now - header.caughtUpMs)) / 1_000, labels: [("file", header.scope.fileName)])
        }
    }

    /// Finds what is on the disk. Half-written files go.
    private func scan() {
        let folder = DiskFolder(path: settings.directory)
        for (name, _) in folder.list() {
            if name.hasSuffix(SnapshotFileWriter.suffix) { folder.remove(name) }
            guard let scope = SnapshotScope(fileName: name) else { continue }
            do throws(SnapshotError) {
                let header = try folder.header(name)
                guard header.scope == scope else { throw SnapshotError(.malformed, "it holds \(header.scope)") }
                state.withLock { $0.headers[scope] = header }
            } catch {
                refused(scope, .unreadable(error))
            }
        }
    }

    // MARK: - Loading, called by the writer

    /// How long tombstones stay, as the brokers tell it now. An operator may have changed it.
    func learned(deleteRetentionMs: [Int64?]) { state.withLock { $0.deleteRetentionMs = deleteRetentionMs } }

    /// The header of the scope's file on the disk.
    func header(_ scope: SnapshotScope) -> SnapshotHeader? { state.withLock { $0.headers[scope] } }

    /// What a peer gets of the scope. Every scope that is held gets a file in time, an empty one too.
    func offer(_ scope: SnapshotScope) -> SnapshotSender.Offer {
        state.withLock { state in
            if let header = state.headers[scope] { return .file(header) }
            // Until the node is placed nobody knows what it will hold.
            return scope.kind != .event || state.held?.contains(scope) ?? true ? .notYet : .nothing
        }
    }

    /// Those of the partitions that the own disk has a file of. Until the node is placed they come out of it or wait.
    func beginEarly(_ partitions: PartitionSet) -> PartitionSet {
        state.withLock { state in
            for partition in partitions.partitions where partition.rawValue < partitionCounts[0] {
                if state.headers[.events(partition)] != nil { state.early.insert(partition) }
            }
            return state.early
        }
    }

    /// Whether nobody knows yet if the scope is this node's: the log and the peers are asked for nothing on a guess.
    private func isGuess(_ scope: SnapshotScope) -> Bool {
        guard case .events(let partition) = scope else { return false }
        return state.withLock { $0.early.contains(partition) }
    }

    func choose(_ scope: SnapshotScope, _ bounds: [LogBounds], together: Int) -> SnapshotChoice {
        let (rates, deleteRetentionMs) = state.withLock { state in
            state.chosen[scope] = nil
            return (state.rates, state.deleteRetentionMs)
        }
        let kind = Int(scope.kind.rawValue)
        let facts = BootFacts(
            topic: topics[kind], clusterID: clusterID, bounds: bounds, partitionCount: partitionCounts[kind],
            deleteRetentionMs: deleteRetentionMs[kind], nowMs: Clocks.wallMs(), rates: rates, together: together)
        let isGuess = isGuess(scope)
        var own = header(scope)
        if let header = own, let refusal = BootPlan.refusal(header, facts) {
            refused(scope, refusal)
            own = nil
        }
        guard let files = isGuess ? [] : peerFiles(scope, own, facts) else { return .wait }
        let choice = BootPlan.choose(own, peers: files.map(\.header), facts)
        if !choice.isFile, isGuess || waitsForPeers(scope, facts) { return .wait }
        let file: PeerFile? = if case .peer(let index, _) = choice { files[index] } else { nil }
        let header = file?.header ?? (choice.isFile ? own : nil)
        state.withLock { state in
            state.sources[scope] = file != nil ? .peer : header != nil ? .snapshot : .log
            state.chosen[scope] = file
            if header == nil { state.peers.forget(scope) }
        }
        return header.map { .file($0, isPeers: file != nil) } ?? .log
    }

    func read(_ header: SnapshotHeader) {
        state.withLock { state in
            if let file = state.chosen[header.scope] {
                // A peer keeps a newer file for `SnapshotLeases.idleNs`: it does not wait behind all others.
                state.others.add(header, file, isUrgent: file.renewals > 0)
            } else {
                state.own.add(header, ())
            }
        }
        pump()
    }

    /// Starts loaders while there is something to read and room for it.
    private func pump() {
        while let (header, file) = nextToRead() {
            DispatchQueue.global(qos: .userInitiated).async {
                let read = SnapshotRead(header: header, result: self.load(header, file))
                self.state.withLock { state in
                    state.reading -= 1
                    state.reads.append((read, isPeers: file != nil))
                }
            }
        }
    }

    private func nextToRead() -> (SnapshotHeader, PeerFile?)? {
        state.withLock { state in
            if let (header, _) = state.own.next() {
                state.reading += 1
                return (header, nil)
            }
            guard let (header, file) = state.others.next() else { return nil }
            state.reading += 1
            return (header, file)
        }
    }

    /// On a loader's thread.
    private func load(
        _ header: SnapshotHeader, _ file: PeerFile?
    ) -> Result<[SnapshotBlock], SnapshotError> {
        do throws(SnapshotError) {
            if let file { return .success(try receive(header, file)) }
            var found: SnapshotHeader?
            var blocks: [SnapshotBlock] = []
            try DiskFolder(path: settings.directory).read(header.scope.fileName) { piece in
                if case .header(let header) = piece { found = header }
                if case .block(let block) = piece { blocks.append(block) }
            }
            // It was decided by the header; another file may have taken its place.
            guard found == header else { throw SnapshotError(.damaged, "another file took its place") }
            return .success(blocks)
        } catch {
            return .failure(error)
        }
    }

    func takeRead() -> SnapshotRead? {
        let read = state.withLock { state -> SnapshotRead? in
            guard !state.reads.isEmpty else { return nil }
            let (read, isPeers) = state.reads.removeFirst()
            if isPeers { state.others.taken(read.header) } else { state.own.taken(read.header) }
            return read
        }
        guard let read else { return nil }
        pump()
        return read
    }

    func fill(_ stock: RegionStock) { DispatchQueue.global(qos: .userInitiated).async { stock.fill() } }

    func restored(_ header: SnapshotHeader, rerendered: Int, nanoseconds: UInt64) {
        metrics.loaded.add()
        metrics.loadedRecords.add(header.records)
        metrics.rerendered.add(UInt64(rerendered))
        let seconds = Double(nanoseconds) / 1e9
        state.withLock { state in
            state.rates.loaded(bytes: Int(clamping: header.rawBytes), seconds: seconds)
            state.chosen[header.scope] = nil
            state.peers.forget(header.scope)
        }
        logger.info(
            "loaded a snapshot",
            metadata: [
                "scope": "\(header.scope)", "source": "\(source(of: header.scope))",
                "records": "\(header.records)", "rerendered": "\(rerendered)",
                "ms": "\(nanoseconds / 1_000_000)", "offset": "\(header.positions.map(\.resume.rawValue).max() ?? 0)",
            ])
    }

    func refused(_ scope: SnapshotScope, _ reason: BootRefusal) {
        if let file = state.withLock({ $0.chosen.removeValue(forKey: scope) }) {
            return refused(file, scope, reason)
        }
        state.withLock { state in
            state.headers[scope] = nil
            state.sources[scope] = .log
        }
        metrics.refused(reason)
        logger.warning(
            "a snapshot is not used; the scope comes from a peer or the log",
            metadata: ["file": "\(settings.directory)/\(scope.fileName)", "reason": "\(reason)"])
    }

    /// A load from the log has ended.
    func measured(messages: UInt64, seconds: Double) {
        state.withLock { $0.rates.read(messages: messages, seconds: seconds) }
    }

    var rates: BootRates { state.withLock { $0.rates } }
    func source(of scope: SnapshotScope) -> String { (state.withLock { $0.sources[scope] } ?? .log).rawValue }

    // MARK: - Writing, called by the writer

    /// What could be written now, and what is held or is to be held again once its memory is given back; `held` is nil until
    /// the node is placed. With each report.
    func update(changed: [SnapshotScope: UInt64], held: [SnapshotScope]?) {
        state.withLock { state in
            state.changed = changed
            state.held = held
            guard let held else { return }
            state.early = PartitionSet()
            state.peers.forgetEvents(but: held)
        }
    }

    func takeOrder() -> SnapshotOrder? { state.withLock { $0.order.take() } }
    var isOrderCancelled: Bool { state.withLock { $0.isCancelled } }
    var hasRoom: Bool { state.withLock { $0.blocks < Self.blocksMax } }

    func begin(_ header: SnapshotHeader) {
        var header = header
        header.createdMs = Clocks.wallMs()
        put(.begin(header))
    }

    func add(_ block: SnapshotBlock) { put(.block(block)) }
    func finish(newest: [Offset], globalsNewest: GlobalPosition?) {
        put(.finish(newest: newest, globalsNewest: globalsNewest))
    }
    func abandon(_ reason: String) { put(.abandon(reason)) }

    private func put(_ item: Item) {
        state.withLock { state in
            guard !state.isCancelled else { return }
            if case .block = item { state.blocks += 1 }
            state.items.append(item)
        }
        wake.signal()
    }
}

/// The counters of snapshots, resolved once.
struct SnapshotMetrics: Sendable {
    let loaded: Counter
    let loadedRecords: Counter
    let rerendered: Counter
    let written: Counter
    let failed: Counter
    let writtenBytes: Counter
    let receivedBytes: Counter
    let peerPauses: Counter
    private let trimmedLogs: [Counter]
    private let refusals: [Counter]
    private let peerRefusals: [Counter]
    private static let peerReasons = PeerFault.allCases.map(\.rawValue) + BootRefusal.reasons

    init(_ registry: Registry) {
        loaded = registry.counter("snapshot_loaded_total", help: "Snapshots loaded.")
        loadedRecords = registry.counter("snapshot_loaded_records_total", help: "Records that came out of snapshots.")
        rerendered = registry.counter(
            "snapshot_rerendered_total", help: "Events of snapshots rendered again: their participants had changed.")
        let written = { result in
            registry.counter(
                "snapshot_written_total", help: "Snapshots written, or given up; the one before stays.",
                labels: [("result", result)])
        }
        self.written = written("ok")
        failed = written("failed")
        writtenBytes = registry.counter("snapshot_written_bytes_total", help: "Bytes of snapshots written.")
        receivedBytes = registry.counter(
            "snapshot_peer_received_bytes_total", help: "Bytes of whole snapshots received from peers.")
        peerPauses = registry.counter(
            "snapshot_peer_pauses_total", help: "Pauses before peers were asked again for what the log has lost.")
        trimmedLogs = ["no_file", "late"].map {
            registry.counter(
                "snapshot_trimmed_log_read_total",
                help: "Logs read without a file that have lost their beginning: what stood there is missing.",
                labels: [("reason", $0)])
        }
        peerRefusals = Self.peerReasons.map {
            registry.counter(
                "snapshot_peer_refused_total", help: "Snapshots of peers that were not used, by reason.",
                labels: [("reason", $0)])
        }
        refusals = BootRefusal.reasons.map {
            registry.counter(
                "snapshot_refused_total", help: "Snapshots that were not used, by reason.", labels: [("reason", $0)])
        }
    }

    /// `isLate`: peers that may have had a file did not hand it over in time.
    func readTrimmedLog(isLate: Bool) { trimmedLogs[isLate ? 1 : 0].add() }

    func peerRefused(_ refusal: BootRefusal) {
        if let index = Self.peerReasons.firstIndex(of: refusal.reason) { peerRefusals[index].add() }
    }

    func refused(_ refusal: BootRefusal) {
        if let index = BootRefusal.reasons.firstIndex(of: refusal.reason) { refusals[index].add() }
    }
}
