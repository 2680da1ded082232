// From the cluster's state to what fan-out goes by. Pure.

public import Membership
public import Model
import Placement

public enum RoutingPlan {
    /// Who may be asked for what, and covers over it. `local` is this process's own node, read in place.
    public static func snapshot(of state: ClusterState, local: ID?, localReady: PartitionSet?) -> RoutingSnapshot {
        // This process lives, whatever the log says of it.
        let silent = state.view.silentHolders.filter { $0.node != local }
        let own = state.view.silentHolders.filter { $0.node == local }
        let holders = (state.view.readyHolders + own).map { holder -> ReadyHolder in
            // What this process holds it knows better, and sooner, than its own heartbeat tells.
            guard holder.node == local, let localReady else { return holder }
            return ReadyHolder(node: holder.node, partitions: localReady)
        }
        let covers = Covers(
            holders: holders, partitions: state.placement.partitionCount,
            seed: UInt64(bitPattern: state.view.generation.rawValue))
        // Covers, which name nodes by their places, know live ones alone: these come first.
        let nodes = (covers.holders + silent).map { holder -> RoutingNode in
            let heartbeat = state.view.member(holder.node)?.heartbeat
            return RoutingNode(
                id: holder.node, host: heartbeat?.link?.host ?? "", port: Int(heartbeat?.link?.port ?? 0),
                isLocal: holder.node == local, isSilent: silent.contains(holder), holds: holder.partitions,
                weight: heartbeat?.weight ?? 1)
        }
        let plans = covers.plans.map { plan in
            var assigned = [NodeIndex?](repeating: nil, count: state.placement.partitionCount)
            for part in plan {
                for partition in part.partitions.partitions {
                    assigned[Int(partition.rawValue)] = NodeIndex(part.holder)
                }
            }
            return assigned
        }
        return RoutingSnapshot(partitionCount: state.placement.partitionCount, nodes: nodes, covers: plans)
    }
}
