import HTTP1
import TestSupport
import Testing

private let host = "Host: a\r\n"

@Suite struct RequestHeadParserTests {
    struct Case: Sendable {
        var request: String
        var expected: String
        init(_ request: String, _ expected: String) { (self.request, self.expected) = (request, expected) }
    }

    static let accepted = [
        Case("GET / HTTP/1.1\r\n\(host)\r\n", "GET /? alive true body false 1.0 false 27"),
        Case("GET /a/b?c=1,2&d=%2C HTTP/1.1\r\n\(host)\r\n", "GET /a/b?c=1,2&d=%2C alive true body false 1.0 false 42"),
        Case("HEAD /a?b?c HTTP/1.1\r\nhOST:\t a:80 \t\r\n\r\n", "HEAD /a?b?c alive true body false 1.0 false 39"),
        Case("OPTIONS * HTTP/1.1\r\n\(host)\r\n", "OPTIONS *? alive true body false 1.0 false 31"),
        Case("GET / HTTP/1.0\r\n\r\n", "GET /? alive false body false 1.0 true 18"),
        Case("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /? alive true body false 1.0 true 42"),
        Case("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET /? alive false body false 1.0 true 49"),
        Case("GET / HTTP/1.1\r\n\(host)Connection: x , CLOSE\r\n\r\n", "GET /? alive false body false 1.0 false 50"),
        Case(
            "GET / HTTP/1.1\r\n\(host)Connection: x\r\nConnection: close\r\n\r\n",
            "GET /? alive false body false 1.0 false 61"),
        Case("GET / HTTP/1.1\r\n\(host)Connection: closed,,\r\n\r\n", "GET /? alive true body false 1.0 false 49"),
        Case("\r\nGET / HTTP/1.1\r\n\(host)\r\n", "GET /? alive true body false 1.0 false 29"),
        Case("GET / HTTP/1.1\r\n\(host)Content-Length: 00\r\n\r\n", "GET /? alive true body false 1.0 false 47"),
        Case("POST /x HTTP/1.1\r\n\(host)Content-Length: 10\r\n\r\n", "POST /x? alive true body true 1.0 false 49"),
        Case("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n", "GET /? alive true body true 1.0 false 55"),
        Case("CONNECT a:443 HTTP/1.1\r\n\(host)\r\n", "CONNECT a:443? alive true body false 1.0 false 35"),
        Case("get / HTTP/1.1\r\n\(host)\r\n", "get /? alive true body false 1.0 false 27"),
        Case("GET / HTTP/1.1\r\nHost:\r\nX-Any: caf\u{E9}\t x\r\n\r\n", "GET /? alive true body false 1.0 false 42"),
        Case(
            "GET / HTTP/1.1\r\n\(host)X-Empty:\r\n!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n",
            "GET /? alive true body false 1.0 false 63"),
        Case("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET /? alive true body false 1.0 false 36"),
        Case("GET / HTTP/1.1\r\n\(host)", "needs more"),
        Case("", "needs more"),
    ]

    @Test(arguments: accepted) func accepts(_ example: Case) {
        #expect(outcome(example.request).description == example.expected)
    }

    static let refused: [(String, HeadRefusal)] = [
        // Request lines.
        ("\r\n\r\nGET / HTTP/1.1\r\n\(host)\r\n", .requestLine),
        ("GET /\r\n\(host)\r\n", .requestLine),
        ("GET  / HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET / HTTP/1.1 \r\n\(host)\r\n", .requestLine),
        (" GET / HTTP/1.1\r\n\(host)\r\n", .method),
        ("GET HTTP/1.1\r\n\(host)\r\n", .requestLine),
        ("GET /\tx HTTP/1.1\r\n\(host)\r\n", .target),
        ("G@T / HTTP/1.1\r\n\(host)\r\n", .method),
        ("GET\0 / HTTP/1.1\r\n\(host)\r\n", .method),
        ("G\u{CB}T / HTTP/1.1\r\n\(host)\r\n", .method),
        ("GET /a b HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET /a\0b HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET /a\u{7F}b HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET /caf\u{E9} HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET /a#b HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET /a?b#c HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET http://a/ HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET * HTTP/1.1\r\n\(host)\r\n", .target),
        ("OPTIONS *a HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET a:80 HTTP/1.1\r\n\(host)\r\n", .target),
        ("GET / HTTP/2.0\r\n\(host)\r\n", .version),
        ("GET / HTTP/1.2\r\n\(host)\r\n", .version),
        ("GET / HTTP/0.9\r\n\(host)\r\n", .version),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .version),
        ("GET / http/1.1\r\n\(host)\r\n", .requestLine),
        ("GET / HTTP/1.10\r\n\(host)\r\n", .requestLine),
        ("GET / HTTP/1,1\r\n\(host)\r\n", .requestLine),
        ("GET / HTTP/1.1\r\r\n\(host)\r\n", .requestLine),
        // Refused before any line's end.
        ("\u{16}\u{3}\u{1}\u{2}", .method),
        ("\r\n\u{16}\u{3}", .method),
        // Line ends.
        ("GET / HTTP/1.1\n\(host)\r\n", .bareLineFeed),
        ("\nGET / HTTP/1.1\r\n\(host)\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\n\(host)\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\n\(host)A: b\rC: d\r\n\r\n", .fieldValue),
        ("GET / HTTP/1.1\r\n\(host)\r\r\n\r\n", .fieldName),
        // Fields.
        ("GET / HTTP/1.1\r\n\(host)A: b\r\n c\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\n\tA: b\r\n\(host)\r\n", .foldedField),
        ("GET / HTTP/1.1\r\n\(host)A : b\r\n\r\n", .fieldName),
        ("GET / HTTP/1.1\r\n\(host)A\r\n\r\n", .fieldName),
        ("GET / HTTP/1.1\r\n\(host): b\r\n\r\n", .fieldName),
        ("GET / HTTP/1.1\r\n\(host)A(: b\r\n\r\n", .fieldName),
        ("GET / HTTP/1.1\r\n\(host)\u{E9}: b\r\n\r\n", .fieldName),
        ("GET / HTTP/1.1\r\n\(host)A: b\0\r\n\r\n", .fieldValue),
        ("GET / HTTP/1.1\r\n\(host)A: 12345678\u{B}12345678\r\n\r\n", .fieldValue),
        ("GET / HTTP/1.1\r\n\(host)A: b\u{7F}\r\n\r\n", .fieldValue),
        ("GET / HTTP/1.1\r\n\(host)A: \t\u{1}\r\n\r\n", .fieldValue),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", .missingHost),
        ("GET / HTTP/1.1\r\n\(host)\(host)\r\n", .host),
        ("GET / HTTP/1.0\r\n\(host)\(host)\r\n", .host),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .host),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .host),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .fieldName),
    ]

    @Test(arguments: refused) func refuses(_ request: String, _ refusal: HeadRefusal) {
        #expect(outcome(request).refusal == refusal)
    }

    /// Requests whose end two servers could see at different places.
    static let smuggling: [(String, HeadRefusal)] = [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", .framing),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", .framing),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", .contentLength),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", .contentLength),
        ("Content-Length: 5, 5\r\n", .contentLength),
        ("Content-Length: +0\r\n", .contentLength),
        ("Content-Length: -1\r\n", .contentLength),
        ("Content-Length: 0x0\r\n", .contentLength),
        ("Content-Length: 0 0\r\n", .contentLength),
        ("Content-Length:\r\n", .contentLength),
        ("Content-Length : 0\r\n", .fieldName),
        ("Transfer-Encoding : chunked\r\n", .fieldName),
        ("Transfer-Encoding\t: chunked\r\n", .fieldName),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", .foldedField),
        ("X: y\nTransfer-Encoding: chunked\r\n", .bareLineFeed),
        ("X: y\rTransfer-Encoding: chunked\r\n", .fieldValue),
        ("Transfer-Encoding:\u{B}chunked\r\n", .fieldValue),
    ]

    @Test(arguments: smuggling) func refusesSmuggling(_ fields: String, _ refusal: HeadRefusal) {
        #expect(outcome("GET / HTTP/1.1\r\n\(host)\(fields)\r\n").refusal == refusal)
        #expect(outcome("POST / HTTP/1.1\r\n\(host)\(fields)\r\n").refusal == refusal)
    }

    @Test func anyTransferEncodingIsABody() {
        for value in ["chunked", "identity", "xchunked", "", "chunked, chunked", "\"chunked\""] {
            #expect(outcome("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: \(value)\r\n\r\n").hasBody)
            #expect(outcome("GET / HTTP/1.0\r\nTransfer-Encoding: \(value)\r\n\r\n").refusal == .framing)
        }
        #expect(outcome("GET / HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999999\r\n\r\n").hasBody)
    }

    @Test func limits() {
        let line = { (count: Int) in "GET /" + String(repeating: "a", count: count - 14) + " HTTP/1.1" }
        let limit = RequestHeadParser.requestLineBytesMax
        #expect(outcome(line(limit) + "\r\n\(host)\r\n").isComplete)
        #expect(outcome(line(limit + 1) + "\r\n\(host)\r\n").refusal == .requestLineTooLong)
        #expect(outcome(line(limit) + "\r").refusal == nil)
        #expect(outcome(line(limit) + "1\r").refusal == .requestLineTooLong)

        let fields = { (count: Int) in host + "A: " + String(repeating: "b", count: count - 14) + "\r\n" }
        let fieldsLimit = RequestHeadParser.fieldsBytesMax
        #expect(outcome("GET / HTTP/1.1\r\n" + fields(fieldsLimit) + "\r\n").isComplete)
        #expect(outcome("GET / HTTP/1.1\r\n" + fields(fieldsLimit + 1) + "\r\n").refusal == .fieldsTooLong)
        #expect(outcome("GET / HTTP/1.1\r\n" + fields(fieldsLimit) + "\r").refusal == nil)
        #expect(outcome("GET / HTTP/1.1\r\n" + fields(fieldsLimit).dropLast(1) + "bb").refusal == nil)
        #expect(outcome("GET / HTTP/1.1\r\n" + fields(fieldsLimit).dropLast(1) + "bbbb").refusal == .fieldsTooLong)
        let many = String(repeating: "a:\r\n", count: 5_000)
        #expect(outcome("GET / HTTP/1.1\r\n" + many + "\r\n").refusal == .fieldsTooLong)
        #expect(HeadRefusal.requestLineTooLong.status == 414)
        #expect(HeadRefusal.fieldsTooLong.status == 431)
    }

    @Test func everyRefusalHasAStatusAndATextOfItsOwn() {
        #expect(Set(HeadRefusal.allCases.map { "\($0.detail)" }).count == HeadRefusal.allCases.count)
        #expect(Set(HeadRefusal.allCases.map(\.status)) == [400, 414, 431, 505])
    }
}

/// However the bytes are cut, the result is that of the whole.
@Suite struct SplitTests {
    static var requests: [String] {
        RequestHeadParserTests.accepted.map(\.request) + RequestHeadParserTests.refused.map(\.0)
            + RequestHeadParserTests.smuggling.map { "GET / HTTP/1.1\r\n\(host)\($0.0)\r\n" }
    }

    @Test func everyCutAndEveryByte() {
        for request in Self.requests {
            let bytes = Array(request.utf8)
            let whole = outcome(bytes)
            for cut in 0...bytes.count { #expect(outcome(bytes, cuts: [cut]) == whole, "\(request) cut at \(cut)") }
            #expect(outcome(bytes, cuts: Array(0...bytes.count)) == whole, "\(request) byte by byte")
        }
    }

    /// The line that is too long is refused at the same byte, whether its end is there or not.
    @Test func limitsByteByByte() {
        for excess in -2...2 {
            for (prefix, suffix, limit) in [
                ("GET /", " HTTP/1.1\r\n\(host)\r\n", RequestHeadParser.requestLineBytesMax - 14),
                ("GET / HTTP/1.1\r\n\(host)A: ", "\r\n\r\n", RequestHeadParser.fieldsBytesMax - 14),
            ] {
                let bytes = Array((prefix + String(repeating: "x", count: limit + excess) + suffix).utf8)
                let whole = outcome(bytes)
                #expect(whole.isComplete == (excess <= 0))
                #expect(outcome(bytes, cuts: Array(0...bytes.count)) == whole)
            }
        }
    }

    @Test func randomDamage() {
        var generator = SeededGenerator.forTest()
        let alphabet = Array("\r\n\0 \t:,#?/%\u{7F}".utf8) + [0x80, 0xFF]
        for _ in 0..<4_000 {
            var bytes = Array(Self.requests.randomElement(using: &generator)!.utf8)
            for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: bytes[index] = alphabet.randomElement(using: &generator)!
                case 2: bytes.remove(at: index)
                default: bytes.insert(alphabet.randomElement(using: &generator)!, at: index)
                }
            }
            bytes.removeLast(Int.random(in: 0...min(3, bytes.count), using: &generator))
            let cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
            let whole = outcome(bytes)
            #expect(outcome(bytes, cuts: cuts) == whole, "seed \(generator.seed), \(bytes), cut at \(cuts)")
            #expect(outcome(bytes, cuts: Array(0...bytes.count)) == whole, "seed \(generator.seed), \(bytes)")
        }
    }

    /// The check above can fail: a parser that is shown different bytes gives another result.
    @Test func outcomesDiffer() {
        #expect(outcome("GET /a HTTP/1.1\r\n\(host)\r\n") != outcome("GET /b HTTP/1.1\r\n\(host)\r\n"))
    }

    @Test func pipelined() {
        let one = Array("GET /1 HTTP/1.1\r\n\(host)\r\n".utf8)
        let bytes = one + one
        var parser = RequestHeadParser()
        #expect(parser.parse(bytes.span) == .complete)
        #expect(parser.head.count == one.count)
        parser.reset()
        #expect(parser.parse(bytes.span.extracting(one.count..<bytes.count)) == .complete)
    }
}
