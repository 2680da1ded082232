// The helpers for process tests, tried on ordinary programs and on a server that says what it is told to.

import Foundation
import TestSupport
import Testing

@Suite struct ProcessTests {
    @Test func childrenAreWatchedAndKilled() throws {
        let folder = try TemporaryFolder()
        let child = try ChildProcess(
            "sh", binary: "/bin/sh", arguments: ["-c", "echo port=$NUMBER ready; exec sleep 600"], folder: folder,
            environment: ["NUMBER": "12"])
        #expect(try child.waitForLine(containing: "port=") == "port=12 ready")
        #expect(throws: WaitFailure.self) { try child.waitForExit(seconds: 0.05) }
        let identifier = child.identifier
        child.kill()
        #expect(!child.isRunning && kill(identifier, 0) != 0)
    }

    @Test func failuresSayWhatTheChildSaid() throws {
        let folder = try TemporaryFolder()
        let child = try ChildProcess("sh", binary: "/bin/sh", arguments: ["-c", "echo oops; exit 3"], folder: folder)
        #expect(throws: WaitFailure.self) { try child.waitForLine(containing: "never", seconds: 20) }
        #expect(try child.waitForExit(seconds: 20) == 3)
        let error = try #require(throws: WaitFailure.self) {
            try ChildProcess.run(
                "sh", binary: "/bin/sh", arguments: ["-c", "echo oops; exit 3"], folder: folder, seconds: 20)
        }
        #expect(error.description.contains("exited with 3") && error.description.contains("oops"))
    }

    /// A server on a free port that answers the connections it gets with `answers`, one each, whatever is asked.
    func serve(_ answers: [String]) throws -> Int {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(listener, pointer, size) == 0 && listen(listener, 8) == 0
                    && getsockname(listener, pointer, &size) == 0
            }
        }
        try #require(isListening)
        Thread.detachNewThread {
            for answer in answers {
                let connection = accept(listener, nil, nil)
                var asked = [UInt8](repeating: 0, count: 4096)
                _ = unsafe recv(connection, &asked, asked.count, 0)
                let bytes = Array(answer.utf8)
                _ = unsafe send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                close(connection)
            }
            close(listener)
        }
        return Int(in_port_t(bigEndian: address.sin_port))
    }

    @Test func readsAnswersOfEachForm() throws {
        let port = try serve([
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\nConnection: close\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "nonsense\r\n\r\n", "nonsense\r\n\r\n", "everything",
        ])
        let client = HTTPClient(port: port)
        let first = try client.request("GET", "/")
        #expect(first.status == 200 && first.text == "hello" && first["etag"] == "\"x\"")
        // The server has closed: each request below finds out and connects again.
        #expect(try client.request("GET", "/").text == "abcde")
        #expect(try client.request("GET", "/").status == 304)
        #expect(try client.request("HEAD", "/")["content-length"] == "9")
        #expect(throws: HTTPFailure.self) { try client.request("GET", "/") }
        try client.connect()
        try client.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(throws: HTTPFailure.self) { try client.readResponse() }
        client.disconnect()
        try client.connect()
        try client.write([0])
        #expect(client.readToEnd() == Array("everything".utf8))
        #expect(throws: HTTPFailure.self) { try HTTPClient(port: freePort()).request("GET", "/") }
    }
}
