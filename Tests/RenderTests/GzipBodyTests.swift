import Foundation
import Model
import TestSupport
import Testing

@testable import Render

/// What is joined, as text and as gzip.
private struct Joined {
    let body = GzipBody()
    let packer = FragmentPacker()
    var text: [UInt8] = []

    mutating func add(_ fragment: [UInt8], isPacked: Bool) {
        text += fragment
        unsafe fragment.withUnsafeBufferPointer { bytes in
            // There is no empty fragment.
            guard !bytes.isEmpty else { return }
            guard isPacked, let packed = unsafe packer.pack(bytes), let base = packed.baseAddress else {
                return unsafe body.json(bytes)
            }
            unsafe body.packed(PackedFragment(base.assumingMemoryBound(to: UInt8.self)))
        }
    }

    mutating func connect(_ piece: Int) {
        text += Pieces.all[piece].text
        body.connect(piece)
    }

    mutating func add(plain bytes: [UInt8]) {
        text += bytes
        unsafe bytes.withUnsafeBytes { unsafe body.text($0) }
    }

    func finish() -> [UInt8] { unsafe Array(body.finish()) }
}

@Suite struct GzipBodyTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test func emptyAnswers() {
        for text in ["", "{", #"{"sport":"soccer","total":0,"offset":0,"limit":350,"stages":["#] {
            var joined = Joined()
            joined.body.begin()
            joined.add(plain: Array(text.utf8))
            #expect(gunzip(joined.finish()) == Array(text.utf8))
            joined.body.begin()
            joined.connect(Pieces.end)
            #expect(gunzip(joined.finish()) == Array("]}".utf8))
        }
    }

    /// Fragments of pieces, of noise and of both, long and short, in any order, packed here or there.
    @Test(arguments: 0..<20) func whatZlibReadsIsWhatWasJoined(round: Int) {
        var random = SeededGenerator.forTest(environment: Self.environment)
        random = SeededGenerator(seed: random.seed &+ UInt64(round))
        var joined = Joined()
        for _ in 0..<10 {
            joined.text = []
            joined.body.begin()
            joined.add(plain: Array(#"{"sport":"soccer","stages":["#.utf8))
            for _ in 0..<Int.random(in: 0...200, using: &random) {
                if Bool.random(using: &random) {
                    joined.connect(Int.random(in: Pieces.all.indices, using: &random))
                }
                joined.add(random.fragment(), isPacked: Bool.random(using: &random))
            }
            let isSame = gunzip(joined.finish()) == joined.text
            #expect(isSame, "seed \(random.seed)")
        }
    }

    /// Pieces further back than deflate can refer to, and fragments at the limits of a record.
    @Test func farPiecesAndLongFragments() {
        var random = SeededGenerator.forTest(environment: Self.environment)
        var joined = Joined()
        joined.body.begin()
        let short = Array(#"{"id":"e","name":"n","slug":"s"}"#.utf8)
        for count in [32_000, 32_740, 32_768, 33_000, Limits.eventRecordBytesMax, 1 << 18 - 1, 1 << 18, 300_000] {
            joined.add(short, isPacked: true)
            let noise = (0..<count).map { _ in UInt8.random(in: 0x20...0xF4, using: &random) }
            joined.add(noise, isPacked: true)
            joined.add(short, isPacked: false)
            joined.add([UInt8](repeating: 0x22, count: count), isPacked: true)
        }
        let isSame = gunzip(joined.finish()) == joined.text
        #expect(isSame, "seed \(random.seed)")
    }

    /// Nobody's entity tag may stay the same when these bytes change: see `GzipBody.tagMark`.
    @Test func goldenBytes() {
        var joined = Joined()
        joined.body.begin()
        joined.add(plain: Array(#"{"sport":"soccer","total":2,"offset":0,"limit":350,"stages":["#.utf8))
        joined.add(Array(#"{"id":"st1","name":"Premier League","slug":"premier-league""#.utf8), isPacked: true)
        joined.connect(Pieces.events)
        for number in 1...2 {
            if number > 1 { joined.connect(Pieces.comma) }
            let event =
                #"{"id":"e\#(number)","name":"Arsenal FC - Chelsea FC","status":"FINISHED","scheduledStart":"2025-08-16T14:00:00Z","#
                + #""participants":[{"id":"p1","name":"Arsenal FC","score":"2","periodScores":["1","1"]},"#
                + #"{"id":"p2","name":"Chelsea FC","score":"1","periodScores":["\#(number)","1"]}]}"#
            joined.add(Array(event.utf8), isPacked: true)
        }
        joined.connect(Pieces.end)
        joined.connect(Pieces.end)
        let bytes = joined.finish()
        let isSame = gunzip(bytes) == joined.text
        #expect(isSame)
        #expect(Array(bytes[..<10]) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
        let hash = unsafe bytes.withUnsafeBytes { unsafe ContentHash(of: $0) }
        let golden = "\(bytes.count) \(hash.low) \(GzipBody.tagMark)"
        #expect(golden == "434 13677768863942341869 7456388063580717056")
    }

    /// What a broken node might send: the body is of no use then, but making it harms nothing.
    @Test func brokenFragmentsHarmNothing() {
        var random = SeededGenerator.forTest(environment: Self.environment)
        let packer = FragmentPacker()
        let body = GzipBody()
        for _ in 0..<2_000 {
            let fragment = random.fragment()
            var packed =
                unsafe fragment.withUnsafeBufferPointer { unsafe packer.pack($0).map { unsafe Array($0) } } ?? []
            for _ in 0..<3 {
                packed[Int.random(in: 0..<packed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            body.begin()
            unsafe packed.withUnsafeBytes { bytes in
                guard let fragment = unsafe PackedFragment(checking: bytes) else { return }
                unsafe body.packed(fragment)
                unsafe body.packed(fragment)
            }
            #expect(unsafe body.finish().count > 18)
        }
    }
}

extension SeededGenerator {
    /// Pieces, words that come again, and noise.
    fileprivate mutating func fragment() -> [UInt8] {
        let words = ["Arsenal FC", "é", "東京", "\\\"", "\"", "0", "2026-03-14T15", ":00:00Z", "x", " - ", "\\u0001"]
        var bytes: [UInt8] = Bool.random(using: &self) ? Array(#"{"id":""#.utf8) : []
        for _ in 0..<Int.random(in: 1...60, using: &self) {
            switch Int.random(in: 0..<8, using: &self) {
            case 0..<3: bytes += Pieces.all[Int.random(in: Pieces.all.indices, using: &self)].text
            case 3..<6: bytes += Array(words[Int.random(in: words.indices, using: &self)].utf8)
            case 6: bytes += [UInt8](repeating: 0x61, count: Int.random(in: 1...600, using: &self))
            default: bytes += (0..<20).map { _ in UInt8.random(in: 0...255, using: &self) }
            }
        }
        return bytes
    }
}
