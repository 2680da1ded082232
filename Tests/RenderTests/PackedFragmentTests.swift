import Foundation
import Model
import TestSupport
import Testing

@testable import Render

@Suite struct CRC32Tests {
    @Test(arguments: [0, 1, 7, 8, 9, 63, 1_023, 1_024, 1_025, 5_000, 200_000]) func agreesWithZlib(count: Int) {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let first = (0..<Int.random(in: 0...100, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let second = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let whole = zlibCRC32(first + second)
        let crc = CRC32.shared
        let own = unsafe second.withUnsafeBytes { unsafe crc.extend(0, by: $0) }
        #expect(own == zlibCRC32(second), "seed \(random.seed)")
        #expect(crc.combine(zlibCRC32(first), own, count: count) == whole, "seed \(random.seed)")
        #expect(unsafe second.withUnsafeBytes { unsafe crc.extend(zlibCRC32(first), by: $0) } == whole)
    }
}

@Suite struct PackedFragmentTests {
    private static let event =
        #"{"id":"e1","name":"Arsenal FC - Chelsea FC","status":"IN_PROGRESS","scheduledStart":"2025-08-16T14:00:00Z","#
        + #""period":"2H","minute":67,"participants":[{"id":"p1","name":"Arsenal FC","shortName":"Arsenal","#
        + #""abbreviation":"ARS","score":"2","periodScores":["1","1"]},{"id":"p2","name":"Chelsea FC","score":"1"}]}"#

    private func pack(_ text: String, _ packer: FragmentPacker) -> [UInt8] {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBufferPointer { json in
            unsafe packer.pack(json).map { unsafe Array($0) } ?? []
        }
    }

    @Test func itsPiecesAreSlotsOnce() throws {
        let packed = pack(Self.event, FragmentPacker())
        let pieces = try unsafe packed.withUnsafeBytes { bytes in
            let fragment = try unsafe #require(PackedFragment(checking: bytes))
            #expect(unsafe fragment.jsonCount == Self.event.utf8.count)
            #expect(unsafe fragment.crc == zlibCRC32(Array(Self.event.utf8)))
            return unsafe (0..<fragment.slotCount).map { index in
                unsafe String(decoding: Pieces.all[fragment.slot(index).piece].text, as: UTF8.self)
            }
        }
        #expect(
            pieces == [
                #"{"id":""#, #"","name":""#, #"","status":"IN_PROGRESS","scheduledStart":"20"#, #"","period":""#,
                #"","minute":"#, #"","shortName":""#, #"","abbreviation":""#, #"","score":""#, #"","periodScores":[""#,
                #""]},{"id":""#, #""}]}"#,
            ])
        #expect(packed.count < Self.event.utf8.count / 2 + 20)
    }

    /// The same JSON gives the same bytes, whatever was packed before.
    @Test func nothingIsKeptFromOneToTheNext() {
        let packer = FragmentPacker()
        let first = pack(Self.event, packer)
        for text in ["", "x", "{", #"{"id":""#, #"""#, String(repeating: "ab", count: 60_000), Self.event + "x"] {
            _ = pack(text, packer)
            #expect(pack(Self.event, packer) == first)
        }
        #expect(pack(Self.event, FragmentPacker()) == first)
    }

    @Test func theLongestIsRefused() {
        unsafe #expect(pack(String(repeating: "x", count: PackedFragment.jsonBytesMax), FragmentPacker()).count > 1_000)
        unsafe #expect(pack(String(repeating: "x", count: PackedFragment.jsonBytesMax + 1), FragmentPacker()).isEmpty)
    }

    /// Whatever is accepted can be read to its end: no slot leads out of the pieces or past the bits.
    @Test func brokenOnesAreRefusedOrHarmless() {
        var random = SeededGenerator.forTest(environment: ProcessInfo.processInfo.environment)
        let packed = pack(Self.event, FragmentPacker())
        for length in 0..<packed.count {
            let isAccepted = unsafe packed[..<length].withUnsafeBytes { unsafe PackedFragment(checking: $0) != nil }
            #expect(!isAccepted, "\(length) of \(packed.count) bytes")
        }
        var refused = 0
        for _ in 0..<5_000 {
            var broken = packed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                broken[Int.random(in: 0..<broken.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            unsafe broken.withUnsafeBytes { bytes in
                guard let fragment = unsafe PackedFragment(checking: bytes) else {
                    refused += 1
                    return
                }
                var bits = 0
                for index in unsafe 0..<fragment.slotCount {
                    let slot = unsafe fragment.slot(index)
                    bits += slot.bits
                    #expect(slot.piece < Pieces.all.count, "seed \(random.seed)")
                }
                #expect(unsafe bits <= fragment.bitCount, "seed \(random.seed)")
            }
        }
        #expect(refused > 500, "seed \(random.seed)")
    }
}
