import Model
import TestSupport
import Testing

@Suite struct ScratchTests {
    /// Against an array, over random changes.
    @Test func agreesWithAnArray() {
        var random = SeededGenerator.forTest()
        var list = Scratch<Int>(capacity: 1)
        var model: [Int] = []
        for step in 0..<20_000 {
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                list.removeAll()
                model.removeAll()
            case 1 where !model.isEmpty:
                #expect(list.removeLast() == model.removeLast(), "seed \(random.seed)")
            case 2 where !model.isEmpty:
                let index = Int.random(in: model.indices, using: &random)
                list[index] = step
                model[index] = step
            case 3:
                let count = Int.random(in: 0..<40, using: &random)
                list.fill(step, count: count)
                model = Array(repeating: step, count: count)
            case 4:
                let lower = Int.random(in: 0...model.count, using: &random)
                let upper = Int.random(in: lower...model.count, using: &random)
                list.keep(lower..<upper)
                model = Array(model[lower..<upper])
            case 5:
                let more = (0..<Int.random(in: 0..<20, using: &random)).map { $0 + step }
                list.append(contentsOf: more.span)
                model += more
            default:
                list.append(step)
                model.append(step)
            }
            #expect(list.count == model.count && list.isEmpty == model.isEmpty, "seed \(random.seed)")
        }
        for index in model.indices { #expect(list[index] == model[index], "seed \(random.seed)") }
    }
}

@Suite struct ByteSearchTests {
    @Test func agreesWithALoop() {
        var random = SeededGenerator.forTest()
        for _ in 0..<2_000 {
            // Few values, those beside the wanted one among them: a borrow must not run into a later byte.
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                [0x00, 0x01, 0x2B, 0x2C, 0x2D, 0xAC, 0xFF].randomElement(using: &random) ?? UInt8(0)
            }
            let lower = Int.random(in: 0...bytes.count, using: &random)
            let upper = Int.random(in: lower...bytes.count, using: &random)
            for byte in [0x00, 0x2C, 0xFF] as [UInt8] {
                #expect(
                    bytes.span.firstIndex(of: byte, in: lower..<upper) == bytes[lower..<upper].firstIndex(of: byte),
                    "seed \(random.seed)")
            }
        }
    }
}
