// A small blocking HTTP/1.1 client for tests: one connection, kept alive. It trusts nothing to a library, so tests see
// the bytes that a server sent; `exchange` sends raw bytes, well formed or not.

import Glibc
import Synchronization

public struct HTTPResponse: Sendable {
    public var status: Int
    /// Names in lower case, in the order received.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    /// The first value of a header; `name` in lower case.
    public subscript(name: String) -> String? { headers.first { $0.name == name }?.value }
    public var text: String { String(decoding: body, as: UTF8.self) }
}

public struct HTTPFailure: Error, CustomStringConvertible {
    public let description: String
}

/// Used by one thread. Connects when first asked, and again after the server closed.
public final class HTTPClient {
    private let host: String
    public let port: Int
    private let timeoutSeconds: Int
    private var socket: Int32 = -1
    /// What was received and not yet used.
    private var received: [UInt8] = []
    /// Most bytes that a head may take.
    private static let headBytesMax = 64 << 10

    public init(host: String = "127.0.0.1", port: Int, timeoutSeconds: Int = 10) {
        self.host = host
        self.port = port
        self.timeoutSeconds = timeoutSeconds
    }

    deinit { disconnect() }

    public func disconnect() {
        if socket >= 0 { close(socket) }
        socket = -1
        received = []
    }

    /// Leaves a kept connection that the server has closed, so that a request need not find out.
    public func disconnectIfClosed() {
        guard socket >= 0 else { return }
        var byte: UInt8 = 0
        let count = unsafe recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        if count == 0 || (count < 0 && errno != EAGAIN) { disconnect() }
    }

    /// Sends one request and reads its answer. A kept connection that the server closed meanwhile is opened again once.
    public func request(
        _ method: String = "GET", _ target: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) throws(HTTPFailure) -> HTTPResponse {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(host):\(port)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        let bytes = Array((head + "\r\n").utf8) + (body ?? [])
        let isFresh = socket < 0
        do {
            return try send(bytes, method: method)
        } catch {
            guard !isFresh else { throw error }
            return try send(bytes, method: method)
        }
    }

    /// Leaves no connection behind where it fails.
    private func send(_ bytes: [UInt8], method: String) throws(HTTPFailure) -> HTTPResponse {
        do {
            try connect()
            try write(bytes)
            let response = try readResponse(toHead: method == "HEAD")
            if response["connection"]?.lowercased() == "close" { disconnect() }
            return response
        } catch {
            disconnect()
            throw error
        }
    }

    // MARK: Raw bytes

    /// Opens the connection where there is none.
    public func connect() throws(HTTPFailure) {
        guard socket < 0 else { return }
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw failure("socket") }
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
        var one: Int32 = 1
        unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, host, &address.sin_addr)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe Glibc.connect(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let error = failure("connect to \(host):\(port)")
            disconnect()
            throw error
        }
    }

    public func write(_ bytes: [UInt8]) throws(HTTPFailure) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes { part in
                unsafe Glibc.send(socket, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw failure("send") }
            sent += count
        }
    }

    /// Closes the sending half, so that the server sees the end of the stream.
    public func finishWriting() { shutdown(socket, Int32(SHUT_WR)) }

    /// Everything until the server closes, or until `timeoutSeconds` pass without a byte: nil then.
    public func readToEnd() -> [UInt8]? {
        while true {
            guard let count = try? receive() else { return nil }
            if count == 0 {
                defer { disconnect() }
                return received
            }
        }
    }

    public func readResponse(toHead: Bool = false) throws(HTTPFailure) -> HTTPResponse {
        let end = try headEnd()
        let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
        received.removeFirst(end)
        let parts = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw HTTPFailure(description: "no status line: \(lines.first ?? "")")
        }
        var response = HTTPResponse(status: status, headers: [], body: [])
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw HTTPFailure(description: "no header: \(line)") }
            let value = parts[1].drop { $0 == " " }
            response.headers.append((name: parts[0].lowercased(), value: String(value)))
        }
        if toHead || status == 204 || status == 304 || status < 200 { return response }
        if response["transfer-encoding"]?.lowercased() == "chunked" {
            response.body = try readChunks()
        } else if let length = response["content-length"].flatMap({ Int($0) }) {
            response.body = try read(length)
        }
        return response
    }

    private func headEnd() throws(HTTPFailure) -> Int {
        var searched = 0
        while true {
            while searched + 4 <= received.count {
                if received[searched] == 0x0D, Array(received[searched..<searched + 4]) == [13, 10, 13, 10] {
                    return searched + 4
                }
                searched += 1
            }
            guard received.count <= Self.headBytesMax else { throw HTTPFailure(description: "an endless head") }
            guard try receive() > 0 else { throw HTTPFailure(description: "closed before the end of the head") }
        }
    }

    private func read(_ count: Int) throws(HTTPFailure) -> [UInt8] {
        while received.count < count {
            guard try receive() > 0 else { throw HTTPFailure(description: "closed within the body") }
        }
        defer { received.removeFirst(count) }
        return Array(received.prefix(count))
    }

    private func readChunks() throws(HTTPFailure) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            var line: [UInt8] = []
            while !line.hasSuffix([0x0D, 0x0A]) { line += try read(1) }
            guard let size = Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16) else {
                throw HTTPFailure(description: "no chunk size")
            }
            body += try read(size)
            _ = try read(2)
            if size == 0 { return body }
        }
    }

    /// Receives what there is, at least one byte; 0 at the end of the stream.
    private func receive() throws(HTTPFailure) -> Int {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw failure("receive") }
        received += chunk[..<count]
        return count
    }

    private func failure(_ what: String) -> HTTPFailure {
        HTTPFailure(description: "\(what): \(unsafe String(cString: strerror(errno)))")
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool {
        count >= suffix.count && Array(self.suffix(suffix.count)) == suffix
    }
}

private let nextPort = Atomic<Int>(Int.random(in: 0..<12_768))

/// A port that was free a moment ago, on loopback. Below those that the kernel gives to outgoing connections, of which one
/// may take a port of its choice before who asked here listens. One after the other from a random one on, so that no two
/// calls get the same.
public func freePort() throws(HTTPFailure) -> Int {
    for _ in 0..<100 {
        // Relaxed: the number orders nothing else.
        let port = 20_000 + nextPort.add(1, ordering: .relaxed).oldValue % 12_768
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        let isFree = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if isFree { return port }
    }
    throw HTTPFailure(description: "no free port from 20000 to 32767 in 100 tries")
}
