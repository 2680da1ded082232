// Hands this node's snapshots to peers, over the management listener:
//
//   GET /snapshots/NAME/header         the header of the file as it is now
//   GET /snapshots/NAME/LEASE/OFFSET   a piece of it; LEASE is a number that the reader drew, in hexadecimal
//
// The first piece opens the file for that number. An open file keeps its bytes whatever becomes of its name, so one that
// is replaced or removed meanwhile is read to its end. Pieces are read on a queue of their own and leave from the
// management's loop: the serving loops have no part in it.

import Cluster
import Foundation
import Logging
import NIOCore
import Settings
import Snapshot
import Synchronization
import Telemetry

public final class SnapshotSender: Sendable {
    /// What becomes of a question.
    public enum Answer: Sendable {
        case bytes([UInt8])
        /// `retryAfterSeconds`: where it is worth asking again.
        case refusal(status: Int, title: String, detail: String, retryAfterSeconds: Int?)
    }

    /// What there is of a scope.
    enum Offer {
        /// A file that may be used.
        case file(SnapshotHeader)
        /// It is held, and its file is still to be written.
        case notYet
        case nothing
    }

    private struct State {
        var leases: SnapshotLeases<OpenSnapshot>
        var pace: PeerPace
        var isStopped = false
    }

    private static let unknown = Answer.refusal(
        status: 404, title: "Not Found",
        detail: "There is no such snapshot. Paths are /snapshots/{file}/header and "
            + "/snapshots/{file}/{lease in hexadecimal}/{offset}.", retryAfterSeconds: nil)

    /// A piece that is read when its time has come.
    private struct Piece {
        var file: OpenSnapshot
        var offset: Int64
        var count: Int
        var waitNs: UInt64
    }

    /// Delays of which a percentile says something: a tenth of a second's, of two loops.
    private static let samplesMin = 100
    private static let watchMs = 1_000

    private let settings: SnapshotSettings
    private let probe: LoopProbe?
    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "snapshot sender")
    private let metrics: SnapshotSenderMetrics
    private let logger: Logger

    init(
        _ settings: SnapshotSettings, serving: (any EventLoopGroup)?, registry: Registry, logger: Logger
    ) {
        self.settings = settings
        probe = serving.map { LoopProbe($0) }
        state = Mutex(
            State(
                leases: SnapshotLeases(countMax: settings.peerStreamsMax),
                pace: PeerPace(bytesPerSecondMax: Double(settings.peerBytesPerSecondMax))))
        metrics = SnapshotSenderMetrics(registry)
        self.logger = logger
        registry.sampled("snapshot_peer_streams", .gauge, help: "Snapshots that peers read at the moment.") {
            [weak self] in
            $0.add(self?.streamCount ?? 0)
        }
        registry.sampled(
            "snapshot_peer_rate_bytes", .gauge, help: "Bytes a second at which snapshots are handed to peers."
        ) { [weak self] in
            $0.add(self?.state.withLock { $0.pace.bytesPerSecond } ?? 0)
        }
    }

    private var streamCount: Int {
        state.withLock { state in
            state.leases.sweep(Clocks.monotonicNs())
            return state.leases.count
        }
    }

    /// Nothing more is handed out, and no read of a file is under way when it returns.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.leases.closeAll()
        }
        probe?.stop()
        queue.sync {}
    }

    /// Answers on `loop`, now or later. `path`: what follows `/snapshots/`.
    func answer(
        _ path: Substring, offer: @Sendable (SnapshotScope) -> Offer, on loop: any EventLoop,
        _ reply: @escaping (Answer) -> Void
    ) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard settings.peerStreamsMax > 0, let name = parts.first, let scope = SnapshotScope(fileName: String(name))
        else { return reply(Self.unknown) }
        let header: SnapshotHeader
        switch offer(scope) {
        case .file(let found): header = found
        case .notYet: return refuse(.notYet, reply)
        case .nothing: return reply(Self.unknown)
        }
        if parts.count == 2, parts[1] == "header" { return reply(.bytes(header.encodedStart())) }
        guard parts.count == 3, let lease = UInt64(parts[1], radix: 16), let offset = Int64(parts[2]), offset >= 0
        else {
            return reply(Self.unknown)
        }
        let piece: Piece
        switch take(String(name), lease, offset) {
        case .failure(let refusal): return refuse(refusal, reply)
        case .success(let taken): piece = taken
        }
        let reply = NIOLoopBound(reply, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Int64(piece.waitNs))) {
            self.queue.async {
                let answer = self.read(piece, lease)
                loop.execute { reply.value(answer) }
            }
        }
    }

    private func refuse(_ refusal: SenderRefusal, _ reply: (Answer) -> Void) {
        metrics.refused(refusal)
        reply(refusal.answer)
    }

    /// The lease and the time of a piece, or why there is none.
    private func take(_ name: String, _ number: UInt64, _ offset: Int64) -> Result<Piece, SenderRefusal> {
        let now = Clocks.monotonicNs()
        let result = state.withLock { state -> Result<Piece, SenderRefusal> in
            guard !state.isStopped else { return .failure(.gone) }
            var lease = state.leases.use(number, name: name, nowNs: now)
            if lease == nil, offset == 0 {
                let file = OpenSnapshot(settings.directory + "/" + name)
                switch state.leases.open(number, name: name, bytes: file?.bytes ?? 0, nowNs: now, { file }) {
                case .failure(.full): return .failure(.full)
                case .failure(.taken): return .failure(.gone)
                case .success(let opened): lease = opened
                }
            }
            guard let lease, offset < lease.bytes else { return .failure(.gone) }
            measure(&state.pace, now)
            let count = Int(min(Int64(SnapshotPeerLimits.pieceBytes), lease.bytes - offset))
            guard let wait = state.pace.take(bytes: count, nowNs: now) else { return .failure(.slowReads) }
            // The last piece: its reader needs the file no more when it is read.
            if offset + Int64(count) == lease.bytes { state.leases.close(number) }
            return .success(Piece(file: lease.held, offset: offset, count: count, waitNs: wait))
        }
        if probe?.start() == true { watch() }
        return result
    }

    /// Tells the pace how fast reads were since the last piece, all of which lies in one phase.
    private func measure(_ pace: inout PeerPace, _ nowNs: UInt64) {
        guard let probe else { return }
        if let p99Ns = probe.takeP99Ns(atLeast: Self.samplesMin) { pace.measured(p99Ns: p99Ns, nowNs: nowNs) }
        if pace.turn(nowNs) { probe.forget() }
    }

    /// Ends leases that are over, and measuring when nobody reads any more.
    private func watch() {
        queue.asyncAfter(deadline: .now() + .milliseconds(Self.watchMs)) { [weak self] in
            guard let self else { return }
            let isOver = self.state.withLock { state in
                let now = Clocks.monotonicNs()
                state.leases.sweep(now)
                state.pace.turn(now)
                return state.isStopped || (state.leases.count == 0 && state.pace.isIdle)
            }
            if isOver { self.probe?.stop() } else { self.watch() }
        }
    }

    private func read(_ piece: Piece, _ lease: UInt64) -> Answer {
        guard let bytes = piece.file.read(piece.count, at: piece.offset) else {
            state.withLock { $0.leases.close(lease) }
            return SenderRefusal.gone.answer
        }
        metrics.sentBytes.add(UInt64(bytes.count))
        return .bytes(bytes)
    }
}

/// Why a peer gets nothing now.
private enum SenderRefusal: String, Error, CaseIterable {
    case full, slowReads = "slow_reads", notYet = "not_yet", gone

    var answer: SnapshotSender.Answer {
        switch self {
        case .full:
            .refusal(
                status: 429, title: "Too Many Requests",
                detail: "As many snapshots as snapshot.peer-streams-max allows are being read. Ask again.",
                retryAfterSeconds: 1)
        case .slowReads:
            .refusal(
                status: 503, title: "Service Unavailable",
                detail: "This node's own reads are slow at the moment. Ask again.", retryAfterSeconds: 1)
        case .notYet:
            .refusal(
                status: 503, title: "Service Unavailable",
                detail: "This node holds it and has not written its snapshot yet. Ask again.", retryAfterSeconds: 1)
        case .gone:
            .refusal(
                status: 410, title: "Gone",
                detail: "Nothing is held under this number: it was read to its end, or for too long, or too seldom.",
                retryAfterSeconds: nil)
        }
    }
}

private struct SnapshotSenderMetrics: Sendable {
    let sentBytes: Counter
    private let refusals: [Counter]

    init(_ registry: Registry) {
        sentBytes = registry.counter("snapshot_peer_sent_bytes_total", help: "Bytes of snapshots handed to peers.")
        refusals = SenderRefusal.allCases.map {
            registry.counter(
                "snapshot_peer_send_refused_total", help: "Questions of peers for snapshots that got none, by reason.",
                labels: [("reason", $0.rawValue)])
        }
    }

    func refused(_ refusal: SenderRefusal) {
        if let index = SenderRefusal.allCases.firstIndex(of: refusal) { refusals[index].add() }
    }
}

/// A file that is open for a reader: its bytes stay, whatever becomes of its name. Closed when the last reference goes.
private final class OpenSnapshot: Sendable {
    private let file: Int32
    let bytes: Int64

    init?(_ path: String) {
        file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else {
            close(file)
            return nil
        }
        bytes = Int64(status.st_size)
    }

    deinit { close(file) }

    /// Exactly so many bytes; nil where the disk does not give them.
    func read(_ count: Int, at offset: Int64) -> [UInt8]? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = unsafe pread(
                    file, buffer.baseAddress.unsafelyUnwrapped + filled, count - filled, off_t(offset) + off_t(filled))
                if got > 0 { filled += got } else if got == 0 || errno != EINTR { return }
            }
        }
        return bytes.count == count ? bytes : nil
    }
}
