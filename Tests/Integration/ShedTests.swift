// More requests than one loop can answer in its turn: some are refused at once, what is answered is right.

import Foundation
import Synchronization
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Prerequisites.met != nil, Prerequisites.comment))
struct ShedTests {
    /// What the clients got.
    private final class Tally: Sendable {
        struct Counts {
            var answered = 0
            var shed = 0
            var wrong: [String] = []
        }

        let counts = Mutex(Counts())

        func add(_ response: HTTPResponse?, expected: [UInt8]?) {
            counts.withLock { counts in
                guard let response else { return counts.wrong.append("no answer") }
                let isProblem = response["content-type"] == "application/problem+json"
                if response.status == 200, response.body == expected {
                    counts.answered += 1
                } else if response.status == 503, response["retry-after"] == "1", isProblem {
                    counts.shed += 1
                } else {
                    counts.wrong.append("\(response.status): \(response.text.prefix(200))")
                }
            }
        }
    }

    @Test func overloadIsRefusedAndTheRestIsRight() throws {
        let target = "/v1/api/app/mym/soccer?teamIds=" + (0..<20).map { "t\($0)" }.joined(separator: ",")
        let kafka = try TestKafka(binary: try #require(Prerequisites.met).binary)
        let reference = Reference()
        try SmallOffer(events: 400).publish(try kafka.producer(), reference)
        let served = try Served(kafka, ["--loops", "1", "--request-queue-age-max", "1ms"])
        try served.waitUntilRight(target, reference)
        let expected = reference.answer(method: "GET", target: target, now: Served.nowMs).body

        // More requests than a turn answers in any case, all of them there when it begins.
        let requests = Array(
            repeatElement("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", count: 30).joined().utf8)
        let tally = Tally()
        let port = served.httpPort
        let threads = (0..<150).map { _ in
            let thread = Thread {
                let client = HTTPClient(port: port, timeoutSeconds: 60)
                try? client.connect()
                try? client.write(requests)
                for _ in 0..<30 { tally.add(try? client.readResponse(), expected: expected) }
            }
            thread.start()
            return thread
        }
        try wait(seconds: 120, for: "the clients to end") { threads.allSatisfy(\.isFinished) }
        let result = tally.counts.withLock { $0 }
        #expect(result.wrong.isEmpty, "\(result.wrong.prefix(3))")
        #expect(result.answered + result.shed == 150 * 30)
        #expect(result.answered > 0 && result.shed > 0, "\(result.answered) answered, \(result.shed) shed")
        #expect(try served.metric("http_server_requests_shed_total", #"reason="queueAge""#) == Double(result.shed))
        // The load is gone, and so is the refusing.
        #expect(try served.client.request("GET", target).status == 200)
    }
}
