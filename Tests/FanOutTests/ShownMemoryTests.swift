import Model
import Query
import Testing

@testable import FanOut

@Suite struct ShownMemoryTests {
    private func globals(_ offset: Int64, partitions: Int = 1) -> GlobalPosition {
        var globals = GlobalPosition(partitionCounts: [partitions, 0, 0, 0, 0])
        globals.set(Offset(offset), at: 0)
        return globals
    }

    private func needs(_ memory: ShownMemory, _ partitions: PartitionSet) -> PositionNeeds {
        var needs = PositionNeeds()
        var view = ShownGlobals()
        memory.fill(&needs, for: partitions, view: &view)
        return needs
    }

    @Test func nothingIsNeededBeforeAnythingIsShown() {
        #expect(needs(ShownMemory(), set(1, 2)) == PositionNeeds())
    }

    @Test func theHighestIsKept() {
        let memory = ShownMemory()
        var view = ShownGlobals()
        let first = ShownPosition(offsets: [Offset(5), Offset(9)], globals: globals(3), globalsVersion: 1)
        memory.raise(set(1, 4), shown: first, view: &view)
        let second = ShownPosition(offsets: [Offset(7), Offset(2)], globals: globals(2), globalsVersion: 2)
        memory.raise(set(1, 4), shown: second, view: &view)
        #expect(
            needs(memory, set(0, 1, 4))
                == PositionNeeds(offsets: [Offset(0), Offset(7), Offset(9)], globals: globals(3)))
        #expect(needs(memory, set(0)).offsets == [])
    }

    /// Who looks at the count alone must not miss a change, and must not look again where nothing rose.
    @Test func changesAreCounted() {
        let memory = ShownMemory()
        var view = ShownGlobals()
        var last = memory.changes
        func rises(_ change: () -> Void) -> Bool {
            change()
            defer { last = memory.changes }
            #expect(memory.changesAtRest == memory.changes)
            return memory.changes > last
        }
        func shown(_ offset: Int64, _ global: Int64) -> ShownPosition {
            ShownPosition(offsets: [Offset(offset)], globals: globals(global), globalsVersion: 1)
        }
        #expect(rises { memory.raise(set(1), shown: shown(5, 3), view: &view) })
        #expect(!rises { memory.raise(set(1), shown: shown(5, 3), view: &view) })
        #expect(!rises { memory.raise(set(1), shown: shown(4, 2), view: &view) })
        #expect(rises { memory.raise(set(1), shown: shown(6, 3), view: &view) })
        #expect(rises { memory.raise(set(1), shown: shown(6, 4), view: &view) })
        #expect(rises { memory.lower(PartitionID(1), to: Offset(2)) })
        #expect(rises { memory.lower(.participant, PartitionID(0), to: Offset(1)) })
    }

    @Test func anotherLoopSeesItAndAResetLowersIt() {
        let memory = ShownMemory()
        var one = ShownGlobals()
        var other = ShownGlobals()
        var needs = PositionNeeds()
        memory.fill(&needs, for: set(1), view: &other)
        memory.raise(
            set(1), shown: ShownPosition(offsets: [Offset(5)], globals: globals(3), globalsVersion: 1), view: &one)
        memory.fill(&needs, for: set(1), view: &other)
        #expect(needs == PositionNeeds(offsets: [Offset(5)], globals: globals(3)))
        memory.lower(PartitionID(1), to: Offset(8))
        memory.lower(.participant, PartitionID(0), to: Offset(8))
        memory.fill(&needs, for: set(1), view: &other)
        #expect(needs == PositionNeeds(offsets: [Offset(5)], globals: globals(3)))
        memory.lower(PartitionID(1), to: Offset(2))
        memory.lower(.participant, PartitionID(0), to: Offset(1))
        memory.lower(.participant, PartitionID(77), to: Offset(1))
        memory.fill(&needs, for: set(1), view: &other)
        #expect(needs == PositionNeeds(offsets: [Offset(2)], globals: globals(1)))
    }

    /// A node that sees a topic with another number of partitions says nothing comparable.
    @Test func anotherShapeIsLeftOut() {
        let memory = ShownMemory()
        var view = ShownGlobals()
        for (offset, partitions) in [(3, 1), (9, 2)] {
            let shown = ShownPosition(
                offsets: [], globals: globals(Int64(offset), partitions: partitions), globalsVersion: 1)
            memory.raise(set(), shown: shown, view: &view)
        }
        #expect(needs(memory, set()).globals == globals(3))
    }

    @Test func loopsRaiseTogether() async {
        let memory = ShownMemory()
        await withTaskGroup(of: Void.self) { group in
            for loop in 0..<4 {
                group.addTask {
                    var view = ShownGlobals()
                    for step in 0..<2000 {
                        let offset = Int64(step * 4 + loop)
                        let shown = ShownPosition(
                            offsets: [Offset(offset)], globals: self.globals(offset), globalsVersion: UInt64(step))
                        memory.raise(set(3), shown: shown, view: &view)
                        var needs = PositionNeeds()
                        memory.fill(&needs, for: set(3), view: &view)
                        precondition(offset == 0 || needs.offsets[0].rawValue >= offset)
                        precondition(needs.globals!.offsets[0].rawValue >= offset)
                    }
                }
            }
        }
        #expect(needs(memory, set(3)) == PositionNeeds(offsets: [Offset(7999)], globals: globals(7999)))
    }

    @Test func onlyWhatFellIsLowered() {
        let memory = ShownMemory()
        var view = ShownGlobals()
        var high = GlobalPosition(partitionCounts: [2, 1, 0, 0, 0])
        for index in 0..<3 { high.set(Offset(9), at: index) }
        memory.raise(set(), shown: ShownPosition(offsets: [], globals: high, globalsVersion: 1), view: &view)
        var last = high
        last.set(Offset(8), at: 0)
        last.set(Offset(5), at: 2)
        var now = last
        now.set(Offset(6), at: 0)
        now.set(Offset(7), at: 2)
        memory.lower(last, to: now)
        #expect(needs(memory, set()).globals?.offsets == [Offset(6), Offset(9), Offset(9)])
    }
}

@Suite struct LogEndsTests {
    @Test func onlyItsOwnFallProvesAnything() {
        var ends = LogEnds()
        let (a, b) = (makeID("a"), makeID("b"))
        func fell(_ node: ID, _ partition: Int, to offset: Int64) -> Bool {
            ends.fell(node, PartitionID(partition), to: Offset(offset))
        }
        #expect(!fell(a, 1, to: 10))
        // Another node that is behind.
        #expect(!fell(b, 1, to: 7))
        #expect(!fell(a, 2, to: 3))
        #expect(!fell(a, 1, to: 10))
        #expect(fell(a, 1, to: 4))
        #expect(!fell(a, 1, to: 5))
        ends.keep { $0 == b }
        #expect(!fell(a, 1, to: 1))
        #expect(fell(b, 1, to: 6))
    }
}
