// A receiver of webhooks for tests: it takes one request after the other, keeps it, and answers as it is told to.

import Foundation
import Glibc

public struct ReceivedRequest: Sendable {
    public var line: String
    /// Names in lower case.
    public var headers: [String: String]
    public var body: [UInt8]
}

/// Its state is under the lock; the socket is opened before the thread starts and closed when the object goes.
public final class WebhookReceiver: @unchecked Sendable {
    public let port: Int
    private let listener: Int32
    private let lock = NSLock()
    private var kept: [ReceivedRequest] = []
    private var statuses: [Int?]
    private let last: Int?

    /// `statuses` are the answers in turn, nil for none at all: the connection stays open and silent. Behind them comes
    /// `last`.
    public init(statuses: [Int?], then last: Int?) throws {
        self.statuses = statuses
        self.last = last
        port = try freePort()
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        let isBound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(listener, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, listen(listener, 16) == 0 else { throw HTTPFailure(description: "cannot listen at \(port)") }
        self.listener = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0, let self else { return }
                self.serve(connection)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    public var requests: [ReceivedRequest] { lock.withLock { kept } }

    private func serve(_ connection: Int32) {
        guard let request = Self.read(connection) else {
            close(connection)
            return
        }
        let status = lock.withLock {
            kept.append(request)
            return statuses.isEmpty ? last : statuses.removeFirst()
        }
        // Left open where there is no answer: the client has to give up by itself. It ends with the test's process.
        guard let status else { return }
        let answer =
            "HTTP/1.1 \(status) Whatever\r\nLocation: /elsewhere\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        let bytes = Array(answer.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        close(connection)
    }

    private static func read(_ connection: Int32) -> ReceivedRequest? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        var request: (head: [String], bodyStart: Int, length: Int)?
        while bytes.count < 1 << 20 {
            if request == nil, let range = bytes.firstRange(of: end) {
                let head = String(decoding: bytes[..<range.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                let length = head.first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.split(separator: ":")[1].filter { $0 != " " }) }
                request = (head, range.upperBound, length ?? 0)
            }
            if let request, bytes.count >= request.bodyStart + request.length {
                var headers: [String: String] = [:]
                for line in request.head.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
                    if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1]) }
                }
                return ReceivedRequest(
                    line: request.head[0], headers: headers,
                    body: Array(bytes[request.bodyStart..<request.bodyStart + request.length]))
            }
            let more = unsafe [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
                count = unsafe max(0, Glibc.read(connection, buffer.baseAddress, buffer.count))
            }
            if more.isEmpty { return nil }
            bytes += more
        }
        return nil
    }
}
