import Ingest
import Model
import Testing

@Suite struct PartitionLifeTests {
    private enum Event {
        case hold([Int])
        case found(ModelKind, Int, Int64, Int64)
        case reached(ModelKind, Int, Int64)
        case dropped(Int)
    }

    private static func event(_ partition: Int) -> TopicPartition { TopicPartition(.event, PartitionID(partition)) }

    private func send(_ life: inout PartitionLife, _ event: Event) -> [PartitionLife.Action] {
        switch event {
        case .hold(let partitions):
            var set = PartitionSet()
            for partition in partitions { set.insert(PartitionID(partition)) }
            return life.hold(set)
        case .found(let kind, let partition, let start, let end):
            return life.found(
                TopicPartition(kind, PartitionID(partition)), LogBounds(start: Offset(start), end: Offset(end)))
        case .reached(let kind, let partition, let offset):
            return life.reached(TopicPartition(kind, PartitionID(partition)), Offset(offset))
        case .dropped(let partition):
            life.dropped(PartitionID(partition))
            return []
        }
    }

    /// Two partitions of events, one of each global topic, all of the latter read to their end.
    private func loaded() -> PartitionLife {
        var life = PartitionLife(partitionCounts: [2, 1, 1, 1, 1, 1])
        for kind in GlobalPosition.kinds { _ = send(&life, .found(kind, 0, 0, 0)) }
        return life
    }

    @Test func globalsComeFirst() {
        var life = PartitionLife(partitionCounts: [2, 2, 1, 1, 1, 1])
        #expect(send(&life, .hold([0])) == [])
        #expect(life.waiting.count == 6 && life.waiting.allSatisfy { $0.kind != .event })
        for kind in GlobalPosition.kinds.dropFirst() {
            #expect(send(&life, .found(kind, 0, 0, 0)) == [.start(TopicPartition(kind, PartitionID(0)), at: Offset(0))])
        }
        #expect(
            send(&life, .found(.participant, 0, 3, 3)) == [
                .start(TopicPartition(.participant, PartitionID(0)), at: Offset(3))
            ])
        #expect(!life.areGlobalsReady)
        _ = send(&life, .found(.participant, 1, 10, 20))
        #expect(send(&life, .reached(.participant, 1, 19)) == [])
        #expect(send(&life, .reached(.participant, 1, 20)) == [.markGlobalsReady])
        #expect(send(&life, .reached(.participant, 1, 21)) == [], "once only")
        #expect(life.waiting == [Self.event(0)])
    }

    @Test func aLostPosition() {
        var life = loaded()
        let partition = Self.event(1)
        #expect(life.lost(partition) == [], "not read")
        _ = send(&life, .hold([1]))
        _ = send(&life, .found(.event, 1, 0, 5))
        #expect(life.lost(partition) == [.stop(partition), .drop(PartitionID(1))])
        #expect(life[partition] == .dropping(wantedAgain: true))
        #expect(life.lost(partition) == [], "once only")
        _ = send(&life, .dropped(1))
        #expect(life[partition] == .waiting)

        // A global topic cannot be dropped; one that is being loaded gets a new target.
        let global = TopicPartition(.stage, PartitionID(0))
        #expect(life.lost(global) == [] && life[global] == .ready)
        var loading = PartitionLife(partitionCounts: [1, 1, 1, 1, 1, 1])
        _ = send(&loading, .found(.stage, 0, 0, 9))
        #expect(loading.lost(global) == [.stop(global)] && loading[global] == .waiting)
    }

    @Test func aPartitionFromHoldToDropAndBack() {
        var life = loaded()
        let partition = Self.event(1)
        let table: [(Event, [PartitionLife.Action], PartitionLife.State)] = [
            (.reached(.event, 1, 5), [], .idle),
            (.found(.event, 1, 0, 9), [], .idle),
            (.hold([1]), [], .waiting),
            (.hold([]), [], .idle),
            (.hold([1]), [], .waiting),
            (.found(.event, 1, 4, 9), [.start(partition, at: Offset(4))], .loading(target: Offset(9))),
            (.found(.event, 1, 4, 11), [], .loading(target: Offset(9))),
            (.hold([1]), [], .loading(target: Offset(9))),
            (.reached(.event, 1, 8), [], .loading(target: Offset(9))),
            (.reached(.event, 1, 12), [.markReady(PartitionID(1))], .ready),
            (.reached(.event, 1, 13), [], .ready),
            (.hold([0]), [.stop(partition), .drop(PartitionID(1))], .dropping(wantedAgain: false)),
            (.reached(.event, 1, 14), [], .dropping(wantedAgain: false)),
            (.hold([1]), [], .dropping(wantedAgain: true)),
            (.hold([]), [], .dropping(wantedAgain: false)),
            (.hold([1]), [], .dropping(wantedAgain: true)),
            (.dropped(1), [], .waiting),
            (.dropped(1), [], .waiting),
            (.found(.event, 1, 20, 20), [.start(partition, at: Offset(20)), .markReady(PartitionID(1))], .ready),
        ]
        for (index, (event, actions, state)) in table.enumerated() {
            #expect(send(&life, event) == actions, "row \(index)")
            #expect(life[partition] == state, "row \(index)")
            let isWanted = state != .idle && state != .dropping(wantedAgain: false)
            #expect(life.wanted.contains(PartitionID(1)) == isWanted, "row \(index)")
        }
        #expect(life.droppingCount == 0)
        #expect(life.held == [PartitionID(1)])
    }

    @Test func droppingWhileLoadingEndsIdle() {
        var life = loaded()
        _ = send(&life, .hold([0, 1]))
        _ = send(&life, .found(.event, 0, 0, 9))
        #expect(life.held == [PartitionID(0), PartitionID(1)])
        #expect(send(&life, .hold([])) == [.stop(Self.event(0)), .drop(PartitionID(0))])
        #expect(life.dropping == [PartitionID(0)] && life.droppingCount == 1)
        _ = send(&life, .dropped(0))
        #expect(life[Self.event(0)] == .idle && life.dropping == [] && life.held == [])
    }
}
