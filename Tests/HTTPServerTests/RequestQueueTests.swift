import NIOCore
import TestSupport
import Testing

@testable import HTTPServer

@Suite struct RequestQueueTests {
    /// Random arrivals and answers, against the plain rule: what has left is the longest answered beginning.
    @Test func answersLeaveInOrder() {
        var generator = SeededGenerator.forTest()
        for _ in 0..<200 {
            let capacity = Int.random(in: 1...5, using: &generator)
            var queue = RequestQueue(capacity: capacity)
            var waiting: [Int] = []
            var answered: Set<Int> = []
            var added = 0
            var left: [Int] = []
            for _ in 0..<60 {
                if !queue.isFull, Bool.random(using: &generator) {
                    waiting.append(queue.add(OpenRequest()))
                    added += 1
                } else if let sequence = waiting.randomElement(using: &generator) {
                    waiting.removeAll { $0 == sequence }
                    answered.insert(sequence)
                    _ = queue.answer(sequence)
                    if queue.isOldest(sequence) {
                        queue.removeOldest()
                        left.append(sequence)
                        while let held = queue.removeHeld() { left.append(Int(String(buffer: held)) ?? -1) }
                    } else {
                        queue.hold(sequence, ByteBuffer(string: "\(sequence)"))
                    }
                }
                let expected = (0..<added).prefix { answered.contains($0) }
                #expect(left == Array(expected), "seed \(generator.seed)")
                #expect(queue.isEmpty == (left.count == added), "seed \(generator.seed)")
                #expect(queue.isFull == (added - left.count == capacity), "seed \(generator.seed)")
            }
        }
    }

    @Test func secondAnswerTraps() async {
        await #expect(processExitsWith: .failure) {
            var queue = RequestQueue(capacity: 2)
            let sequence = queue.add(OpenRequest())
            _ = queue.answer(sequence)
            _ = queue.answer(sequence)
        }
    }
}
