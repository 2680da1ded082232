// Pushes an offer folder through decode, apply and render, without Kafka: what the writer's thread costs a message.
//
//     favorites-replay OFFER [ROUNDS [PARTITIONS]]
//
// Prints for each round the time from the first message until every partition is ready.

import Foundation
import Ingest
import Model
import PreparedSource
import Store
import Telemetry

func cpuSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

let arguments = CommandLine.arguments
guard arguments.count >= 2 else {
    print("usage: favorites-replay OFFER [ROUNDS [PARTITIONS]]")
    exit(64)
}
let rounds = arguments.count > 2 ? Int(arguments[2]) ?? 3 : 3
let partitions = arguments.count > 3 ? Int(arguments[3]) ?? 64 : 64
let source = try PreparedSource(
    folder: arguments[1], partitionCounts: [partitions] + Array(repeating: partitions, count: 5))
for _ in 0..<rounds {
    source.rewind()
    let store = Store(partitionCounts: source.partitionCounts)
    let writer = StoreWriter(store)
    let metrics = IngestMetrics(Registry())
    let ingest = Ingest(source: source, writer: writer, metrics: metrics) { print($0.message) }
    var wanted = PartitionSet()
    for partition in 0..<partitions { wanted.insert(PartitionID(partition)) }
    ingest.hold(wanted)
    let began = cpuSeconds()
    var events = 0.0
    var read = 0.0
    while !(0..<partitions).allSatisfy({ writer.isReady(PartitionID($0)) }) {
        if ingest.startWaiting(nowMs: 0) == 0, events == 0, ingest.life.areGlobalsReady { events = cpuSeconds() }
        ingest.turn(nowNanoseconds: 0, clock: { 0 }, timeoutMs: 0)
        if read == 0, Int(metrics.messagesTotal) == source.messageCount { read = cpuSeconds() }
    }
    let seconds = cpuSeconds() - began
    let count = Int(metrics.messagesTotal)
    precondition(count == source.messageCount, "not every message was applied")
    print(
        "\(count) messages in \(Int(seconds * 1e3)) ms: \(Int(Double(count) / seconds))/s,",
        "\(Int(seconds * 1e9 / Double(count))) ns a message;",
        "globals \(Int((events - began) * 1e3)) ms, after the last message \(Int((cpuSeconds() - read) * 1e3)) ms;",
        "\(writer.memoryBytes) bytes of records")
}
