import Foundation
import Synchronization
import TestSupport
import Testing

/// One writer and several readers on threads of their own. Under the thread sanitizer:
/// `FAVORITES_CORE_ONLY=1 swift test --sanitize=thread --scratch-path .build-tsan --filter StressTests`
@Suite struct StressTests {
    private static let readers = 3
    private static let requests = 3_000
    private static let updatesMax = 400_000

    @Test func everyAnswerHoldsWhileEverythingChanges() {
        let environment = ProcessInfo.processInfo.environment
        let seed = SeededGenerator.forTest(environment: environment).seed
        let shared = StressShared(readers: Self.readers)
        let done = DispatchSemaphore(value: 0)
        let left = DispatchSemaphore(value: 0)
        let counts = Mutex((updates: 0, answers: 0, refusals: 0, retired: -1))
        let writerThread = Thread {
            var writer = StressWriter(shared, seed: seed)
            writer.load()
            done.signal()
            let updates = writer.run(updatesMax: Self.updatesMax)
            for _ in 0..<Self.readers { left.wait() }
            let retired = writer.end()
            counts.withLock { ($0.updates, $0.retired) = (updates, retired) }
            done.signal()
        }
        writerThread.start()
        done.wait()
        for index in 0..<Self.readers {
            let thread = Thread {
                let reader = StressReader(shared, seed: seed &+ UInt64(index) &+ 1)
                reader.run(requests: Self.requests)
                counts.withLock {
                    $0.answers += reader.answers
                    $0.refusals += reader.refusals
                }
                shared.readersLeft.subtract(1, ordering: .releasing)
                left.signal()
                done.signal()
            }
            thread.start()
        }
        for _ in 0...Self.readers { done.wait() }
        let result = counts.withLock { $0 }
        print("stress, seed \(seed): \(result)")
        #expect(shared.problems.withLock { $0 } == [], "seed \(seed)")
        #expect(result.answers + result.refusals == Self.readers * Self.requests)
        #expect(result.answers > Self.readers * Self.requests / 2 && result.updates > 0)
        #expect(result.retired == 0, "what is retired is freed")
    }
}
