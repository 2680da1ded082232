import CTablePeers
import Foundation
import Synchronization

/// What one measurement gave.
struct Rate {
    var perSecond: Double
    var sum: UInt64
    var updatesPerSecond = 0.0
}

/// Lets threads share what the strict checks cannot follow: the measurement joins them before it returns.
private struct Shared<Value>: @unchecked Sendable {
    // Read by all, changed by none.
    let value: Value
}

/// Threads that begin together.
private final class Start: Sendable {
    let waiting = Atomic<Int>(0)
    let isOver = Atomic<Bool>(false)
    let nanoseconds = Atomic<UInt64>(0)
    let sum = Atomic<UInt64>(0)
    let updates = Atomic<Int>(0)
}

private func run(_ processor: Int, _ group: DispatchGroup, _ body: @escaping @Sendable () -> Void) {
    group.enter()
    let thread = Thread {
        peer_pin(Int32(processor))
        body()
        group.leave()
    }
    thread.start()
}

/// Look-ups a second of all readers together, each on a processor of its own. With updates, another thread replaces
/// random records at 200,000 a second on the second processor.
func measure(
    _ side: any Side, _ ids: Lookups, readers: Int, updatesOf records: Int? = nil, from seed: Int = 0
) -> Rate {
    let start = Start()
    let group = DispatchGroup()
    let shared = Shared(value: (side, ids))
    let threads = readers + (records == nil ? 0 : 1)
    for reader in 0..<readers {
        run(reader, group) {
            let (side, ids) = shared.value
            side.enter()
            let read = side.reader(ids)
            // Warm: code, and the processor's clock.
            _ = read(0..<16_384)
            start.waiting.add(1, ordering: .sequentiallyConsistent)
            while start.waiting.load(ordering: .sequentiallyConsistent) < threads {}
            // Each begins elsewhere.
            let cut = ids.count / 16 * reader / readers * 16
            let began = DispatchTime.now().uptimeNanoseconds
            var sum = read(cut..<ids.count)
            if cut > 0 { sum &+= read(0..<cut) }
            let taken = DispatchTime.now().uptimeNanoseconds - began
            _ = start.nanoseconds.max(taken, ordering: .sequentiallyConsistent)
            if reader == 0 { start.sum.store(sum, ordering: .sequentiallyConsistent) }
            side.leave()
            start.isOver.store(true, ordering: .sequentiallyConsistent)
        }
    }
    if let records {
        run(1, group) {
            let side = shared.value.0
            side.enter()
            update(side, records, seed, start, threads)
            side.leave()
        }
    }
    group.wait()
    let seconds = Double(start.nanoseconds.load(ordering: .sequentiallyConsistent)) / 1e9
    return Rate(
        perSecond: Double(ids.count * readers) / seconds, sum: start.sum.load(ordering: .sequentiallyConsistent),
        updatesPerSecond: Double(start.updates.load(ordering: .sequentiallyConsistent)) / seconds)
}

/// 20 updates every 100 µs while the readers run; what was missed is caught up with.
private func update(_ side: any Side, _ records: Int, _ seed: Int, _ start: Start, _ threads: Int) {
    var random = Random(state: UInt64(seed) + 100)
    start.waiting.add(1, ordering: .sequentiallyConsistent)
    while start.waiting.load(ordering: .sequentiallyConsistent) < threads {}
    let began = DispatchTime.now().uptimeNanoseconds
    var done = 0
    while !start.isOver.load(ordering: .sequentiallyConsistent) {
        let due = Int((DispatchTime.now().uptimeNanoseconds - began) / 5_000)
        for _ in done..<max(done, min(due, done + 20)) {
            done += 1
            side.update(Int.random(in: 0..<records, using: &random), done)
        }
    }
    start.updates.store(done, ordering: .sequentiallyConsistent)
}
