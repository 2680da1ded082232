// What a node needs for reading its peers' snapshots and for handing them its own, and what that is held to.

import Membership
public import Model
public import NIOCore
import Snapshot

public struct SnapshotPeerAccess: Sendable {
    public var id: ID
    /// Where the client's connections live: the management's thread.
    public var client: any EventLoopGroup
    /// The loops that serve requests, whose delays say how fast reads are.
    public var serving: any EventLoopGroup

    public init(id: ID, client: any EventLoopGroup, serving: any EventLoopGroup) {
        self.id = id
        self.client = client
        self.serving = serving
    }
}

enum SnapshotPeerLimits {
    /// Peers that are asked for one scope.
    static let peersMax = 3
    /// Scopes for which peers are being asked at once.
    static let askersMax = 4
    /// From the service's start until the cluster is known; then it is as if there were no peers, unless the log has lost
    /// its beginning.
    static let clusterNs: UInt64 = 5_000_000_000
    static let connectTimeout = TimeAmount.seconds(2)
    /// For one answer, a piece of a file or a header. A sender holds a piece back for `PeerPace.waitMaxNs` at most.
    static let answerTimeout = TimeAmount.seconds(5)
    /// A piece of a file.
    static let pieceBytes = 512 << 10
    /// Answers of 429 and 503 without a piece in between: about 10 s of waiting, and 2 s where another peer has a file.
    static let busyMax = 10
    static let busyOthersMax = 2
    /// What a peer says in `Retry-After` is held to this.
    static let pauseMsMax = 2_000
    /// For a whole file: some time, and the time that its bytes take at the slowest rate that is worth it.
    static let fileNs: UInt64 = 30_000_000_000
    static let fileBytesPerSecondMin: UInt64 = 1 << 20
    /// So often the file that a peer files may have been replaced by a newer one when it is asked for.
    static let renewalsMax = 3

    static func fileLimitNs(storedBytes: UInt64) -> UInt64 {
        fileNs + min(storedBytes, 1 << 40) * 1_000 / fileBytesPerSecondMin * 1_000_000
    }
}

/// A file that a peer has.
struct PeerFile: Sendable {
    var peer: SnapshotPeer
    var header: SnapshotHeader
    /// The number under which it is read, also when a newer file is read in its place: that is the one which the peer
    /// keeps open under it, if it has more than one piece. A number of its own for each try would leave behind as many open
    /// files as a peer hands out at once. Two loaders never read under one number: a scope that was given up and is wanted
    /// again is asked for anew.
    let lease = UInt64.random(in: .min ... .max)
    /// How often the peer had a newer one when it was asked for.
    var renewals = 0
}

/// What peers said when they were asked for a scope.
struct PeerRound {
    var files: [PeerFile] = []
    /// The logs' bounds were last asked for before it was known.
    var isNew = true
    /// A peer that may have a file did not tell of it or hand it over, and may do so later.
    var isOpen = false
}

/// What is known of peers. Under the service's lock.
struct PeerState {
    enum Ask {
        case asking
        case known(PeerRound)
        /// Nobody handed a file over, and the log alone is not enough.
        case pausing(untilNs: UInt64)
    }

    /// Nil until this process has joined.
    var view: MembershipView?
    /// Of each scope that waits for its way back.
    var asks: [SnapshotScope: Ask] = [:]
    var patience: [SnapshotScope: PeerPatience] = [:]
    var toAsk: [SnapshotScope] = []
    var asking = 0
    var isEnded = false

    /// The scope is on its way back.
    mutating func forget(_ scope: SnapshotScope) {
        asks[scope] = nil
        patience[scope] = nil
        toAsk.removeAll { $0 == scope }
    }

    /// A partition that is wanted no more, and comes back later, is asked for anew: what peers said is of another time.
    mutating func forgetEvents(but wanted: [SnapshotScope]) {
        guard !asks.isEmpty else { return }
        let wanted = Set(wanted)
        for scope in asks.keys where scope.kind == .event && !wanted.contains(scope) { forget(scope) }
    }
}
