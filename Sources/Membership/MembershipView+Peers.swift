public import Model

/// A node that may have a snapshot to hand over, and where it listens.
public struct SnapshotPeer: Hashable, Sendable {
    public var id: ID
    public var management: MemberAddress
}

extension MembershipView {
    /// The nodes that may be asked for a snapshot: live ones that serve or drain, and, of an events partition, hold it
    /// ready. `partition`: nil for a global topic. They come in an order that differs with `turn`, so that those who ask
    /// for many do not all begin with the same.
    public func snapshotPeers(of me: ID, holding partition: PartitionID?, turn: Int) -> [SnapshotPeer] {
        let peers = members.compactMap { member -> SnapshotPeer? in
            let heartbeat = member.heartbeat
            guard heartbeat.id != me, !member.isSilent, heartbeat.kind.isNode, let management = heartbeat.management,
                heartbeat.state == .serving || heartbeat.state == .draining,
                partition.map({ heartbeat.ready.contains($0) }) ?? true
            else { return nil }
            return SnapshotPeer(id: heartbeat.id, management: management)
        }
        guard !peers.isEmpty else { return [] }
        let first = turn % peers.count
        return Array(peers[first...] + peers[..<first])
    }
}
