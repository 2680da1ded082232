import Load
import TestSupport
import Testing

struct ResponseReaderTests {
    private static let plain =
        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Type: application/json\r\nETag: \"abc\"\r\ncontent-length: 5\r\n\r\nhello"
    private static let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\nhello\r\nA;x=y\r\n, world!!!\r\n0\r\nT: 1\r\n\r\n"
    private static let notModified = "HTTP/1.1 304 Not Modified\r\nETag: W/\"q\"\r\nContent-Length: 99\r\n\r\n"
    private static let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\nContent-Length: 0\n\n"

    @Test func oneAnswer() {
        var reader = ResponseReader(collects: true)
        #expect(reader.read(Array(Self.plain.utf8).span) == .complete)
        #expect(reader.status == 200)
        #expect(reader.bodyBytes == 5)
        #expect(reader.body == Array("hello".utf8))
        #expect(reader.tag == Load.Tag(Array("\"abc\"".utf8).span))
        #expect(!reader.closes && !reader.isGzip)
    }

    @Test func chunksAndTheirCoding() {
        var reader = ResponseReader(collects: true)
        #expect(reader.read(Array(Self.chunked.utf8).span) == .complete)
        #expect(String(decoding: reader.body, as: UTF8.self) == "hello, world!!!")
        #expect(reader.isGzip)
    }

    @Test func answersWithoutBody() {
        var reader = ResponseReader()
        #expect(reader.read(Array(Self.notModified.utf8).span) == .complete)
        #expect(reader.status == 304)
        #expect(reader.tag.count == 5)
        reader = ResponseReader()
        #expect(reader.read(Array(Self.interim.utf8).span) == .complete)
        #expect(reader.status == 404)
        #expect(reader.closes, "HTTP/1.0 closes")
    }

    @Test func closeIsHeard() {
        var reader = ResponseReader()
        let text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        #expect(reader.read(Array(text.utf8).span) == .complete)
        #expect(reader.closes)
    }

    /// Every answer byte by byte, and cut in two at every place.
    @Test(arguments: [plain, chunked, notModified, interim])
    func anyPieces(text: String) {
        let bytes = Array(text.utf8)
        var whole = ResponseReader(collects: true)
        #expect(whole.read(bytes.span) == .complete)
        var drip = ResponseReader(collects: true)
        for index in bytes.indices {
            let step = drip.read(bytes.span.extracting(index..<index + 1))
            #expect(step == (index == bytes.count - 1 ? .complete : .more), "byte \(index)")
        }
        for cut in 1..<bytes.count {
            var reader = ResponseReader(collects: true)
            #expect(reader.read(bytes.span.extracting(0..<cut)) == .more)
            #expect(reader.read(bytes.span.extracting(cut..<bytes.count)) == .complete)
            #expect(reader.status == whole.status && reader.body == whole.body && reader.tag == whole.tag)
        }
        #expect(drip.status == whole.status && drip.body == whole.body && drip.tag == whole.tag)
    }

    @Test(arguments: [
        ("ICY 200 OK\r\n", Flaw.statusLine), ("HTTP/1.1 2000 OK\r\n", .statusLine), ("HTTP/1.1 20\r\n", .statusLine),
        ("HTTP/2.0 200 OK\r\n", .statusLine), ("\r\n", .statusLine),
        ("HTTP/1.1 200 OK\r\nno colon\r\n", .header), ("HTTP/1.1 200 OK\r\n: x\r\n", .header),
        ("HTTP/1.1 200 OK\r\n\r\n", .length), ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", .length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", .length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n", .length),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", .chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", .chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n111111111\r\n", .chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", .chunk),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", .surplus),
        ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 70_000) + "\r\n", .tooLong),
    ])
    func malformed(text: String, flaw: Flaw) {
        var reader = ResponseReader()
        #expect(reader.read(Array(text.utf8).span) == .malformed(flaw))
    }

    @Test func linesWithoutEndAreBounded() {
        var reader = ResponseReader()
        let piece = [UInt8](repeating: 0x61, count: 1_000)
        let steps = (0..<100).map { _ in reader.read(piece.span) }
        #expect(steps.contains(.malformed(.tooLong)))
    }

    @Test func droppedBytesCount() {
        var reader = ResponseReader()
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"
        #expect(reader.read(Array(text.utf8).span) == .more)
        #expect(reader.skippable == 90)
        #expect(reader.skip(40) == .more)
        #expect(reader.skip(50) == .complete)
        #expect(reader.bodyBytes == 100)
        var kept = ResponseReader(collects: true)
        #expect(kept.read(Array(text.utf8).span) == .more)
        #expect(kept.skippable == 0, "a body to be checked is not dropped")
    }

    /// Bytes of any kind end in a value, never in a trap.
    @Test func flippedBits() {
        var random = SeededGenerator.forTest()
        for text in [Self.plain, Self.chunked, Self.notModified, Self.interim] {
            for _ in 0..<2_000 {
                var bytes = Array(text.utf8)
                for _ in 0...Load.below(4, &random) {
                    bytes[Load.below(bytes.count, &random)] ^= 1 << UInt8(Load.below(8, &random))
                }
                var reader = ResponseReader(collects: true)
                var at = 0
                var step = ResponseReader.Step.more
                while at < bytes.count, step == .more {
                    let count = 1 + Load.below(bytes.count - at, &random)
                    step = reader.read(bytes.span.extracting(at..<at + count))
                    at += count
                }
                #expect(reader.body.count <= bytes.count, "seed \(random.seed)")
            }
        }
    }
}
