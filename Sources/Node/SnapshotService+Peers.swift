// Snapshots from peers: who has which file, and the way of one file into memory. A peer is trusted with nothing. What it
// sends is checked as a file of the own disk is, goes through the same refusals, and leads to readiness only by this node's
// own reading of the log. What takes time, bytes or tries has its limit in `SnapshotPeerLimits`; at it the next peer has its
// turn, and after the last one the log. Where that has lost its beginning, peers that only had no time are asked again.

import Cluster
import Foundation
import Ingest
import Logging
import Membership
import Model
import NIOCore
import Settings
import Snapshot
import Synchronization
import Telemetry

extension SnapshotService {
    /// The cluster as it is now. On the cluster's thread.
    func update(_ view: MembershipView) {
        guard peers != nil else { return }
        state.withLock { $0.peers.view = view }
    }

    /// The process ends: no peer is asked any more. Returns when no loader is at work, or when it has waited long enough.
    func endPeers() {
        state.withLock { $0.peers.isEnded = true }
        sender.stop()
        for _ in 0..<100 {
            guard state.withLock({ $0.reading + $0.peers.asking > 0 }) else { return }
            Clocks.pause(milliseconds: 10)
        }
    }

    // MARK: - Who has what

    /// The files that peers have for the scope; nil until that is known. `own`: what stands on the own disk and may be used.
    func peerFiles(_ scope: SnapshotScope, _ own: SnapshotHeader?, _ facts: BootFacts) -> [PeerFile]? {
        // Once asked, it is decided with what they say.
        let isAsked = state.withLock { $0.peers.asks[scope] != nil }
        guard peers != nil, isAsked || BootPlan.asksPeers(own, facts) else { return [] }
        let now = Clocks.monotonicNs()
        let (known, isFirst) = state.withLock { state -> ([PeerFile]?, Bool) in
            switch state.peers.asks[scope] {
            case .asking: return (nil, false)
            case .pausing(let untilNs) where now < untilNs: return (nil, false)
            case .known(var round):
                guard round.isNew else { return (round.files, false) }
                // The bounds that were given here may be older than the files: they are asked for once more.
                round.isNew = false
                state.peers.asks[scope] = .known(round)
                return (nil, false)
            case .pausing, nil:
                guard state.peers.view != nil else {
                    return (now < startedNs + SnapshotPeerLimits.clusterNs ? nil : [], false)
                }
                if state.peers.patience[scope] == nil { state.peers.patience[scope] = PeerPatience(nowNs: now) }
                state.peers.asks[scope] = .asking
                state.peers.toAsk.append(scope)
                return (nil, true)
            }
        }
        if isFirst { pumpAskers() }
        guard let known else { return nil }
        return known.filter { file in
            guard let refusal = BootPlan.refusal(file.header, isPeers: true, facts) else { return true }
            refused(file, scope, refusal)
            return false
        }
    }

    private func pumpAskers() {
        while let (scope, view) = nextToAsk() {
            DispatchQueue.global(qos: .userInitiated).async {
                let round = self.ask(scope, view)
                self.state.withLock { state in
                    state.peers.asking -= 1
                    // Given up meanwhile, it is nobody's answer.
                    if case .asking? = state.peers.asks[scope] { state.peers.asks[scope] = .known(round) }
                }
                self.pumpAskers()
            }
        }
    }

    private func nextToAsk() -> (SnapshotScope, MembershipView)? {
        state.withLock { state in
            guard let view = state.peers.view, !state.peers.toAsk.isEmpty,
                state.peers.asking < SnapshotPeerLimits.askersMax
            else { return nil }
            state.peers.asking += 1
            return (state.peers.toAsk.removeFirst(), view)
        }
    }

    /// On an asker's thread.
    private func ask(_ scope: SnapshotScope, _ view: MembershipView) -> PeerRound {
        guard let peers else { return PeerRound() }
        let partition: PartitionID? = if case .events(let partition) = scope { partition } else { nil }
        let turn = partition.map { Int($0.rawValue) } ?? Int(scope.kind.rawValue)
        let dropped = state.withLock { $0.peers.patience[scope]?.dropped ?? [] }
        let candidates = view.snapshotPeers(of: peers.id, holding: partition, turn: turn)
            .filter { !dropped.contains($0.id) }
        var round = PeerRound()
        for peer in candidates.prefix(SnapshotPeerLimits.peersMax) {
            do throws(SnapshotError) {
                guard let header = try header(of: scope, at: peer, peers) else { continue }
                round.files.append(PeerFile(peer: peer, header: header))
            } catch {
                let reason = BootRefusal.unreadable(error)
                if reason.isPassing { round.isOpen = true } else { drop(peer, scope) }
                failed(peer, scope, reason)
            }
        }
        return round
    }

    /// Nil where the peer has no such file and will have none.
    private func header(
        of scope: SnapshotScope, at peer: SnapshotPeer, _ peers: SnapshotPeerAccess
    ) throws(SnapshotError) -> SnapshotHeader? {
        let connection = try connect(peer, peers)
        defer { connection.close() }
        let answer = try connection.get(
            "/snapshots/\(scope.fileName)/header", bytesMax: SnapshotHeader.startBytesMax)
        switch answer.status {
        case 200: break
        case 404: return nil
        case 429, 503: throw SnapshotError(.transfer(.busy), "no room for a question, or no file yet: \(answer.status)")
        default: throw SnapshotError(.transfer(.answer), "the answer to a question for a header is \(answer.status)")
        }
        let header = try SnapshotHeader(start: answer.body.readableBytesUInt8Span)
        guard header.scope == scope else {
            throw SnapshotError(.transfer(.answer), "it holds \(header.scope), not \(scope)")
        }
        return header
    }

    private func connect(
        _ peer: SnapshotPeer, _ peers: SnapshotPeerAccess
    ) throws(SnapshotError) -> PeerConnection {
        // No loop may be asked for anything once the process ends.
        guard !state.withLock({ $0.peers.isEnded }) else {
            throw SnapshotError(.transfer(.stopped), "the process ends")
        }
        return try PeerConnection(to: peer.management, on: peers.client)
    }

    // MARK: - A file

    /// On a loader's thread: the blocks of the file with this header, from the peer that has it.
    func receive(_ header: SnapshotHeader, _ file: PeerFile) throws(SnapshotError) -> [SnapshotBlock] {
        guard let peers else { return [] }
        let began = Clocks.monotonicNs()
        let connection = try connect(file.peer, peers)
        defer { connection.close() }
        var receiver = SnapshotReceiver(header.scope, rawBytesMax: settings.peerFileBytesMax)
        let path = "/snapshots/\(header.scope.fileName)/\(String(file.lease, radix: 16))/"
        let limitNs = began + SnapshotPeerLimits.fileLimitNs(storedBytes: header.storedBytes)
        var (received, busy) = (0, 0)
        while !receiver.isAtEnd {
            guard Clocks.monotonicNs() < limitNs else {
                throw SnapshotError(.transfer(.slow), "the time for the file is over after \(received) bytes")
            }
            guard !state.withLock({ $0.peers.isEnded }) else {
                throw SnapshotError(.transfer(.stopped), "the process ends")
            }
            let answer = try connection.get(path + "\(received)", bytesMax: SnapshotPeerLimits.pieceBytes)
            guard answer.status == 200 else {
                busy += 1
                try wait(answer, busy, max: hasOthers(file, header.scope) ? SnapshotPeerLimits.busyOthersMax : nil)
                continue
            }
            guard answer.body.readableBytes > 0 else {
                throw SnapshotError(.truncated, "it ends after \(received) bytes")
            }
            busy = 0
            received += answer.body.readableBytes
            try receiver.take(answer.body.readableBytesUInt8Span)
            if let found = receiver.header, found != header { throw renewed(found, file, header.scope) }
        }
        let seconds = Double(Clocks.monotonicNs() - began) / 1e9
        state.withLock { $0.rates.received(bytes: received, seconds: seconds) }
        metrics.receivedBytes.add(UInt64(received))
        logger.info(
            "received a snapshot",
            metadata: [
                "scope": "\(header.scope)", "peer": "\(file.peer.id)", "bytes": "\(received)",
                "ms": "\(Int(seconds * 1_000))",
            ])
        return receiver.blocks
    }

    /// Whether another peer has a file of the scope.
    private func hasOthers(_ file: PeerFile, _ scope: SnapshotScope) -> Bool {
        state.withLock { state in
            guard case .known(let round) = state.peers.asks[scope] else { return false }
            return round.files.contains { $0.peer != file.peer }
        }
    }

    /// Waits where the peer has no room at the moment.
    private func wait(_ answer: PeerAnswer, _ busy: Int, max busyMax: Int?) throws(SnapshotError) {
        switch answer.status {
        case 429, 503: break
        case 404, 410: throw SnapshotError(.transfer(.gone), "the peer has the file no more (\(answer.status))")
        default: throw SnapshotError(.transfer(.answer), "the answer to a question for a piece is \(answer.status)")
        }
        guard busy <= busyMax ?? SnapshotPeerLimits.busyMax else {
            throw SnapshotError(.transfer(.busy), "\(busy) answers of \(answer.status), one after the other")
        }
        let milliseconds = min(max(answer.retryAfterSeconds ?? 1, 1) * 1_000, SnapshotPeerLimits.pauseMsMax)
        for _ in 0..<milliseconds / 50 where !state.withLock({ $0.peers.isEnded }) { Clocks.pause(milliseconds: 50) }
    }

    /// The peer has put a newer file in the place of the one that was chosen. It is offered instead, and chosen anew with
    /// the log's bounds of then: what was decided about the other one says nothing about it. Meanwhile the peer keeps it
    /// under the same lease, so that it is this one that is read, however often the peer writes; one of a single piece has
    /// been sent with that, and may be replaced again.
    private func renewed(
        _ found: SnapshotHeader, _ file: PeerFile, _ scope: SnapshotScope
    ) -> SnapshotError {
        var next = file
        next.header = found
        next.renewals += 1
        guard next.renewals <= SnapshotPeerLimits.renewalsMax else {
            return SnapshotError(.transfer(.changed), "another file took its place \(next.renewals) times")
        }
        state.withLock { state in
            guard case .known(var round) = state.peers.asks[scope],
                let index = round.files.firstIndex(where: { $0.peer == file.peer })
            else { return }
            round.files[index] = next
            round.isNew = true
            state.peers.asks[scope] = .known(round)
        }
        return SnapshotError(.transfer(.changed), "the peer has a newer one, which is chosen anew")
    }

    // MARK: - What is not used

    /// The file is not offered any more, unless a newer one took its place.
    func refused(_ file: PeerFile, _ scope: SnapshotScope, _ reason: BootRefusal) {
        let isRenewed = state.withLock { state -> Bool in
            state.sources[scope] = .log
            guard case .known(var round) = state.peers.asks[scope],
                let index = round.files.firstIndex(where: { $0.peer == file.peer })
            else { return false }
            if round.files[index].renewals > file.renewals { return true }
            round.files.remove(at: index)
            if reason.isPassing { round.isOpen = true }
            state.peers.asks[scope] = .known(round)
            return false
        }
        guard !isRenewed else { return }
        if !reason.isPassing { drop(file.peer, scope) }
        failed(file.peer, scope, reason)
    }

    private func drop(_ peer: SnapshotPeer, _ scope: SnapshotScope) {
        state.withLock { $0.peers.patience[scope]?.drop(peer.id) }
    }

    /// There is no file to use now. Whether it is waited for: the log has lost what a peer may still hand over.
    func waitsForPeers(_ scope: SnapshotScope, _ facts: BootFacts) -> Bool {
        guard peers != nil, facts.isTrimmed else { return false }
        let now = Clocks.monotonicNs()
        let (round, untilNs) = state.withLock { state -> (PeerRound?, UInt64?) in
            guard case .known(let round) = state.peers.asks[scope] else { return (nil, nil) }
            guard round.isOpen, let untilNs = state.peers.patience[scope]?.pause(nowNs: now) else {
                return (round, nil)
            }
            state.peers.asks[scope] = .pausing(untilNs: untilNs)
            return (round, untilNs)
        }
        // Without a round the cluster is not known: nobody was asked, and nobody has said that there is none.
        if round == nil, now < startedNs + PeerPatience.longestNs { return true }
        guard let untilNs else {
            readsTrimmedLog(scope, isLate: round?.isOpen ?? true)
            return false
        }
        metrics.peerPauses.add()
        if let suppressed = pauseLog.withLock({ $0.shouldLog(nowNanoseconds: now) }) {
            logger.warning(
                "no peer hands a file over, and the log has lost its beginning: peers are asked again",
                metadata: [
                    "scope": "\(scope)", "after_ms": "\((untilNs - now) / 1_000_000)", "suppressed": "\(suppressed)",
                ])
        }
        return true
    }

    private func readsTrimmedLog(_ scope: SnapshotScope, isLate: Bool) {
        metrics.readTrimmedLog(isLate: isLate)
        logger.error(
            "a log that has lost its beginning is read without a file: what stood there is missing here",
            metadata: [
                "scope": "\(scope)",
                "reason": isLate
                    ? "peers did not hand a file over within \(PeerPatience.longestNs / 1_000_000_000) s"
                    : "no peer has a file that may be used",
            ])
    }

    private func failed(_ peer: SnapshotPeer, _ scope: SnapshotScope, _ reason: BootRefusal) {
        metrics.peerRefused(reason)
        let suppressed = peerLog.withLock { $0.shouldLog(nowNanoseconds: Clocks.monotonicNs()) }
        guard let suppressed else { return }
        logger.warning(
            "a peer's snapshot is not used",
            metadata: [
                "scope": "\(scope)", "peer": "\(peer.id)",
                "address": "\(peer.management.host):\(peer.management.port)", "reason": "\(reason)",
                "suppressed": "\(suppressed)",
            ])
    }
}
