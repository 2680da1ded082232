// `favorites serve` without Kafka: the same router, read in place, over a store that a prepared source fills.
//
//     favorites-prepared OFFER HTTP_PORT CLOCK_FIXED
//
// Says `ready` once the offer is loaded. Then each line read, a number, sets how many updates a second the source hands
// over from now on, and is answered with how many it has handed over so far. Ends with its input. The thread that writes
// the store is named `writer`.

import Cluster
import Foundation
import Ingest
import Logging
import Membership
import Model
import NIOPosix
import Placement
import PreparedSource
import Query
import Router
import Selection
import Settings
import Store
import Synchronization
import Telemetry

@main
struct Prepared {
    static let partitions = 64
    static let everything = PartitionSet(below: partitions)
    static let name = "prepared"

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let id = ID(name) else {
            say("usage: favorites-prepared OFFER HTTP_PORT CLOCK_FIXED")
            exit(64)
        }
        let (store, updates) = try await startWriter(offer: arguments[1])
        let settings = RouterSettings(
            try ResolvedSettings(
                command: .router,
                arguments: ["--http-port", arguments[2], "--clock-fixed", arguments[3], "--loops", "1"],
                configPath: nil, environment: [:]))
        let router = try await RouterCore.start(
            id: id, settings: settings, group: MultiThreadedEventLoopGroup(numberOfThreads: 1), registry: Registry(),
            logger: Logger(label: name),
            local: LocalNode(id: id, makeHolder: { StoreHolder(store, nowMs: { 0 }) }, ready: { everything }))
        router.update(try clusterOfOne(id))
        say("ready")
        while let line = readLine() {
            guard let rate = Int(line), rate >= 0 else {
                say("a number of updates a second, please")
                continue
            }
            updates.rate.store(rate, ordering: .relaxed)
            say("\(updates.total.load(ordering: .relaxed))")
        }
    }

    /// Loads the offer on a thread that goes on as `WriterThread` does; returns when all of it is ready.
    private static func startWriter(offer: String) async throws -> (Store, UpdateStream) {
        try await withCheckedThrowingContinuation { loaded in
            let thread = Thread {
                // The system is told for itself: what `Thread` calls its name stays within the process.
                try? Data("writer".utf8).write(to: URL(fileURLWithPath: "/proc/thread-self/comm"))
                do {
                    let source = try PreparedSource(
                        folder: offer, partitionCounts: Array(repeating: partitions, count: ModelKind.allCases.count))
                    let updates = UpdateStream(of: source, count: 200_000)
                    source.updates = updates
                    let store = Store(partitionCounts: source.partitionCounts)
                    write(store, source) { loaded.resume(returning: (store, updates)) }
                } catch {
                    loaded.resume(throwing: error)
                }
            }
            thread.start()
        }
    }

    private static func write(_ store: Store, _ source: PreparedSource, loaded: () -> Void) {
        let ingest = Ingest(
            source: source, writer: StoreWriter(store), metrics: IngestMetrics(Registry()), log: { say($0.message) })
        ingest.hold(everything)
        var isLoading = true
        while true {
            if isLoading { _ = ingest.startWaiting(nowMs: 0) }
            ingest.turn(nowNanoseconds: Clocks.monotonicNs(), clock: Clocks.monotonicNs, timeoutMs: 10)
            if isLoading, everything.partitions.allSatisfy({ ingest.writer.isReady($0) }) {
                isLoading = false
                loaded()
            }
        }
    }

    /// What the control topic would say of this process alone.
    private static func clusterOfOne(_ id: ID) throws -> ClusterState {
        let heartbeat = Heartbeat(
            kind: .both, id: id, incarnation: Incarnation(startedMs: 1, number: 1), state: .serving,
            configuration: ClusterConfiguration(
                partitions: partitions, replicas: .all, topicNames: ModelKind.allCases.map(\.plural)),
            holdings: everything.partitions.map {
                Holding(partition: $0, isReady: true, applied: Offset(0), lag: 0)
            })
        var view = MembershipView()
        _ = try view.apply(offset: Offset(0), timestampMs: 1, key: Array(name.utf8), value: heartbeat.encode())
        return ClusterState(
            view: view,
            placement: Placement.place(members: view.placementMembers, partitions: partitions, replicas: .all))
    }

    /// At once, whatever standard output is.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
}
