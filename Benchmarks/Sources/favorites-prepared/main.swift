// `favorites serve` without Kafka: the same router, read in place, over a store that a prepared source fills.
//
//     favorites-prepared OFFER HTTP_PORT CLOCK_FIXED WRITER_CPU
//
// Says `ready` once the offer is loaded. Then each line read, a number, sets how many updates a second the source hands
// over from now on, and is answered with how many it has handed over so far. Ends with its input.

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
import Telemetry

let arguments = CommandLine.arguments
guard arguments.count == 5, let writerCPU = Int(arguments[4]), let id = ID("prepared") else {
    print("usage: favorites-prepared OFFER HTTP_PORT CLOCK_FIXED WRITER_CPU")
    exit(64)
}
let partitions = 64
let source = try PreparedSource(
    folder: arguments[1], partitionCounts: [partitions] + Array(repeating: partitions, count: 5))
let updates = UpdateStream(of: source, count: 200_000)
source.updates = updates
let store = Store(partitionCounts: source.partitionCounts)
let everything = PartitionSet(below: partitions)

/// The writer's thread: what `WriterThread` does, over this source.
func write(_ loaded: DispatchSemaphore) {
    var processors = cpu_set_t()
    withUnsafeMutableBytes(of: &processors) { $0[writerCPU / 8] = 1 << (writerCPU % 8) }
    guard sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &processors) == 0 else {
        print("no processor \(writerCPU)")
        exit(1)
    }
    let ingest = Ingest(
        source: source, writer: StoreWriter(store), metrics: IngestMetrics(Registry()), log: { print($0.message) })
    ingest.hold(everything)
    var isLoading = true
    while true {
        if isLoading { _ = ingest.startWaiting() }
        ingest.turn(nowNanoseconds: Clocks.monotonicNs(), clock: Clocks.monotonicNs, timeoutMs: 10)
        if isLoading, (0..<partitions).allSatisfy({ ingest.writer.isReady(PartitionID($0)) }) {
            isLoading = false
            loaded.signal()
        }
    }
}

let loaded = DispatchSemaphore(value: 0)
Thread.detachNewThread { write(loaded) }
loaded.wait()

let settings = RouterSettings(
    try ResolvedSettings(
        command: .router,
        arguments: ["--http-port", arguments[2], "--clock-fixed", arguments[3], "--loops", "1"],
        configPath: nil, environment: [:]))
let router = try await RouterCore.start(
    id: id, settings: settings, group: MultiThreadedEventLoopGroup(numberOfThreads: 1), registry: Registry(),
    logger: Logger(label: "prepared"),
    local: LocalNode(id: id, makeHolder: { StoreHolder(store) }, ready: { everything }))

// A cluster of this process alone.
let configuration = ClusterConfiguration(
    partitions: partitions, replicas: .all, topicNames: ModelKind.allCases.map(\.plural))
let heartbeat = Heartbeat(
    kind: .both, id: id, incarnation: Incarnation(startedMs: 1, number: 1), state: .serving,
    configuration: configuration,
    holdings: (0..<partitions).map {
        Holding(partition: PartitionID($0), isReady: true, applied: Offset(0), lag: 0)
    })
var view = MembershipView()
_ = try view.apply(offset: Offset(0), timestampMs: 1, key: Array("prepared".utf8), value: heartbeat.encode())
router.update(
    ClusterState(
        view: view,
        placement: Placement.place(members: view.placementMembers, partitions: partitions, replicas: .all)))

setvbuf(stdout, nil, _IOLBF, 0)
print("ready")
while let line = readLine() {
    guard let rate = Int(line), rate >= 0 else {
        print("a number of updates a second, please")
        continue
    }
    updates.rate.store(rate, ordering: .relaxed)
    print(updates.total.load(ordering: .relaxed))
}
