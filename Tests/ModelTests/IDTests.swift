import Foundation
import Model
import TestSupport
import Testing

struct IDTests {
    static let legal = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-".utf8)

    @Test func everyByteAtEveryPlace() {
        for byte in UInt8.min...UInt8.max {
            let isLegal = Self.legal.contains(byte)
            for (count, place) in [(1, 0), (2, 1), (8, 7), (9, 8), (64, 0), (64, 31), (64, 63)] {
                var bytes = Array(repeating: UInt8(ascii: "a"), count: count)
                bytes[place] = byte
                #expect((Self.id(bytes) != nil) == isLegal, "\(byte) at \(place) of \(count)")
            }
        }
    }

    @Test(arguments: 0...70)
    func lengths(_ count: Int) {
        let text = String(repeating: "a", count: count)
        guard let id = ID(text) else {
            #expect(count == 0 || count > 64)
            return
        }
        #expect(count >= 1 && count <= 64)
        #expect(id.count == count)
        #expect(id.description == text)
    }

    /// Order, equality, subscript and text are those of the bytes.
    @Test func likeBytes() throws {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        for _ in 0..<20_000 {
            let left = Self.bytes(&random)
            // Half of the pairs share a prefix, or one is the other's prefix.
            let isNear = Bool.random(using: &random)
            let right = isNear ? Self.near(left, &random) : Self.bytes(&random)
            let (leftID, rightID) = (try #require(Self.id(left)), try #require(Self.id(right)))
            #expect((leftID < rightID) == left.lexicographicallyPrecedes(right), "seed \(random.seed)")
            #expect((leftID == rightID) == (left == right), "seed \(random.seed)")
            if left == right { #expect(leftID.hash == rightID.hash && leftID.hashValue == rightID.hashValue) }
            #expect((0..<leftID.count).map { leftID[$0] } == left, "seed \(random.seed)")
            var appended: [UInt8] = [1]
            leftID.append(to: &appended)
            #expect(appended == [1] + left)
            #expect(leftID.description == String(decoding: left, as: UTF8.self))
        }
    }

    /// Ids as they come (counters, slugs with counters) fill buckets evenly, by high bits and by low bits, and no two
    /// of them share a hash.
    @Test(arguments: ["", "e", "soccer:match-2025-", String(repeating: "long.prefix-", count: 4)])
    func hashSpreads(_ prefix: String) throws {
        let count = 100_000
        var hashes: Set<UInt64> = []
        var high = Array(repeating: 0, count: 1024)
        var low = Array(repeating: 0, count: 1024)
        for number in 0..<count {
            let hash = try #require(ID("\(prefix)\(number)")).hash
            hashes.insert(hash)
            high[Int(hash >> 54)] += 1
            low[Int(hash & 1023)] += 1
        }
        #expect(hashes.count == count)
        for buckets in [high, low] {
            // Chi-squared with 1023 degrees of freedom: mean 1023, standard deviation 45. The ids are fixed.
            let mean = Double(count) / 1024
            let chiSquared = buckets.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) / mean }
            #expect(chiSquared > 750 && chiSquared < 1300, "\(chiSquared)")
        }
    }

    /// One flipped input bit flips about half of the hash.
    @Test func hashAvalanches() throws {
        var flips = 0
        var pairs = 0
        for number in 0..<2_000 {
            let text = "match-\(number)"
            let hash = try #require(ID(text)).hash
            for place in 0..<text.utf8.count {
                var bytes = Array(text.utf8)
                bytes[place] ^= 1
                guard let other = ID(bytes.span) else { continue }
                flips += (hash ^ other.hash).nonzeroBitCount
                pairs += 1
            }
        }
        let mean = Double(flips) / Double(pairs)
        #expect(mean > 31 && mean < 33, "\(mean)")
    }

    /// The hash is the same on every machine. The values come from another implementation of the same formula.
    @Test(
        arguments: [
            ("a", 0x1342_43c1_00e1_424a),
            ("e1", 0x731f_d8f4_d648_3b37),
            ("soccer:england", 0x76cb_2a8f_87b4_8adf),
            ("0123456789abcdef", 0x799a_ead4_60cb_d0c8),
            ("0123456789abcdefg", 0xa36f_488e_66a5_4882),
        ] as [(String, UInt64)])
    func hashIsFixed(_ text: String, _ hash: UInt64) throws {
        #expect(try #require(ID(text)).hash == hash)
    }

    private static func id(_ bytes: [UInt8]) -> ID? { ID(bytes.span) }

    private static func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 1...64, using: &random)).map { _ in legal.randomElement(using: &random) ?? 0x61 }
    }

    private static func near(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var near = bytes
        switch Int.random(in: 0..<4, using: &random) {
        case 0: near[Int.random(in: 0..<near.count, using: &random)] = legal.randomElement(using: &random) ?? 0x61
        case 1 where near.count < 64: near.append(legal.randomElement(using: &random) ?? 0x61)
        case 2 where near.count > 1: near.removeLast()
        default: break
        }
        return near
    }
}
