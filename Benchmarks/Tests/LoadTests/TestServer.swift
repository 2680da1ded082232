// A server on one thread that answers as a test says. It cuts requests at their empty line and knows no more of HTTP.

import Foundation
import Glibc
import Load
import Synchronization

enum TestReply: Sendable {
    /// Status line, headers and body, as they are sent.
    case bytes(String)
    /// The same after so many milliseconds, for which the thread answers nobody.
    case stall(Int32, String)
    /// The same after so many milliseconds and up to one more; others are answered meanwhile.
    case later(Int64, String)
    /// The connection is closed without an answer.
    case close
    case nothing

    static func ok(_ body: String = "hello", headers: String = "") -> TestReply {
        .bytes("HTTP/1.1 200 OK\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
}

/// What is to be sent later, in the order of its instants.
private struct Delayed {
    var answers: [(at: Int64, socket: Int32, text: String)] = []

    /// For `poll`: until the first, rounded up; forever where there is none.
    var timeoutMs: Int32 {
        guard let first = answers.first else { return -1 }
        return Int32(max(0, first.at - monotonicNow() + 999_999) / 1_000_000)
    }

    mutating func add(_ milliseconds: Int64, _ socket: Int32, _ text: String) {
        let at = monotonicNow() + milliseconds * 1_000_000
        let place = answers.lastIndex { $0.at <= at }.map { $0 + 1 } ?? 0
        answers.insert((at, socket, text), at: place)
    }
}

final class TestServer: Sendable {
    let port: UInt16
    var target: String { "127.0.0.1:\(port)" }
    /// Requests so far.
    var count: Int { seen.withLock { $0 } }

    private let listener: Int32
    /// Closing the first tells the thread, through the second, to end.
    private let stop: (write: Int32, read: Int32)
    private let seen = Mutex(0)
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameter reply: gets the request's number, from 1, and its text.
    init(_ reply: @escaping @Sendable (Int, String) -> TestReply) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let code = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                guard unsafe bind(listener, address, length) == 0, listen(listener, 128) == 0 else { return -1 }
                return unsafe getsockname(listener, address, &length)
            }
        }
        guard code == 0 else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
        var ends: [Int32] = [0, 0]
        _ = unsafe pipe(&ends)
        stop = (ends[1], ends[0])
        Thread { self.serve(reply) }.start()
    }

    /// Closes everything, the port too, and waits until that is done.
    func end() {
        close(stop.write)
        ended.wait()
    }

    private func serve(_ reply: (Int, String) -> TestReply) {
        var connections: [Int32: [UInt8]] = [:]
        var delayed = Delayed()
        loop: while true {
            let sockets = [stop.read, listener] + connections.keys
            var polled = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&polled, nfds_t(polled.count), delayed.timeoutMs)
            while let first = delayed.answers.first, first.at <= monotonicNow() {
                send(first.socket, first.text)
                delayed.answers.removeFirst()
            }
            for entry in polled where entry.revents != 0 {
                if entry.fd == stop.read { break loop }
                if entry.fd == listener {
                    connections[accept(listener, nil, nil)] = []
                } else if !handle(entry.fd, &connections[entry.fd, default: []], &delayed, reply) {
                    close(entry.fd)
                    delayed.answers.removeAll { $0.socket == entry.fd }
                    connections[entry.fd] = nil
                }
            }
        }
        for socket in [listener, stop.read] + connections.keys { close(socket) }
        ended.signal()
    }

    /// False where the connection is over.
    private func handle(
        _ socket: Int32, _ received: inout [UInt8], _ delayed: inout Delayed, _ reply: (Int, String) -> TestReply
    ) -> Bool {
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(socket, &piece, piece.count, 0)
        guard count > 0 else { return false }
        received += piece.prefix(count)
        let end = Array("\r\n\r\n".utf8)
        while let range = received.firstRange(of: end) {
            let text = String(decoding: received[..<range.upperBound], as: UTF8.self)
            received.removeSubrange(..<range.upperBound)
            let number = seen.withLock { count -> Int in
                count += 1
                return count
            }
            switch reply(number, text) {
            case .bytes(let bytes): send(socket, bytes)
            case .stall(let milliseconds, let bytes):
                // The stall is what is tested, not a wait for something.
                _ = poll(nil, 0, milliseconds)
                send(socket, bytes)
            case .later(let milliseconds, let bytes): delayed.add(milliseconds, socket, bytes)
            case .close: return false
            case .nothing: break
            }
        }
        return true
    }

    private func send(_ socket: Int32, _ text: String) {
        _ = unsafe Glibc.send(socket, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    }
}
