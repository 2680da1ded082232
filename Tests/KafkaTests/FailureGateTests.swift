import Model
import Testing

@testable import Kafka

@Suite
struct FailureGateTests {
    @Test func oneASecondPassesAndCountsTheOthers() {
        var gate = FailureGate()
        let start = ContinuousClock.now
        #expect(gate.next(start) == nil)
        gate.add(1, PartitionID(2), "first")
        #expect(gate.next(start) == .failure(topic: 1, partition: PartitionID(2), reason: "first"))
        for index in 0..<5 { gate.add(nil, nil, "later \(index)") }
        #expect(gate.next(start + .milliseconds(999)) == nil)
        #expect(
            gate.next(start + .seconds(1)) == .failure(topic: nil, partition: nil, reason: "later 4 (and 4 more)"))
        #expect(gate.next(start + .seconds(3)) == nil)
    }
}
