// Stands between a node and a peer's management listener, and does to what the peer sends whatever a test wants. It listens
// on 127.0.0.2, at the port that the peer has on 127.0.0.1; the peer advertises 127.0.0.2.

import Foundation
import Glibc
import Synchronization
import TestSupport

final class HostilePeer: Sendable {
    static let host = "127.0.0.2"

    enum Behaviour: String, CaseIterable, Sendable {
        case honest
        /// One bit of a piece is another one.
        case damaged
        /// The connection ends in the middle of a piece.
        case cut
        /// A byte of a piece every tenth of a second.
        case drip
        /// 429, whatever is asked.
        case busy
        /// A piece that does not end.
        case endless
        /// Pieces of another partition's file, its header among them.
        case otherFile
        /// Pieces without a byte.
        case empty
        /// What is no HTTP.
        case noise
        /// No answer to anything: the connection ends.
        case deaf

        /// Whether it is not about pieces alone.
        var isForAll: Bool { self == .otherFile || self == .deaf }
    }

    private struct State {
        var behaviour: Behaviour
        /// So often it is shown; then the peer is honest.
        var times = Int.max
        var isClosed = false
        var onPiece: (@Sendable (String) -> Void)?
    }

    private let listener: Int32
    private let port: Int
    private let state: Mutex<State>

    init(port: Int, _ behaviour: Behaviour = .honest) throws {
        self.port = port
        state = Mutex(State(behaviour: behaviour))
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        listener = socket
        var one: Int32 = 1
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, Self.host, &address.sin_addr)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0, listen(socket, 64) == 0 else {
            throw WaitFailure(description: "cannot listen on \(Self.host):\(port)")
        }
        Thread { [weak self] in
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0, let peer = self else { return }
                Thread {
                    defer { Glibc.close(connection) }
                    peer.serve(connection)
                }.start()
            }
        }.start()
    }

    deinit { close() }

    /// Ends the listening thread; connections end with their peers.
    func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    func behave(_ behaviour: Behaviour, times: Int = .max) {
        state.withLock { state in
            state.behaviour = behaviour
            state.times = times
        }
    }

    /// What it does to this request.
    private func nextBehaviour(isPiece: Bool) -> Behaviour {
        state.withLock { state in
            guard isPiece || state.behaviour.isForAll else { return .honest }
            guard state.times > 0 else { return .honest }
            state.times -= 1
            return state.behaviour
        }
    }

    /// Called before a piece is passed on, with the target asked for.
    func onPiece(_ call: @escaping @Sendable (String) -> Void) { state.withLock { $0.onPiece = call } }

    // MARK: - A connection

    private func serve(_ connection: Int32) {
        let real = HTTPClient(port: port)
        var input: [UInt8] = []
        while let target = readTarget(connection, &input) {
            let isPiece = target.hasPrefix("/snapshots/") && !target.hasSuffix("/header")
            if isPiece { state.withLock { $0.onPiece }?(target) }
            guard answer(target, nextBehaviour(isPiece: isPiece), real, connection) else { return }
        }
    }

    /// The target of the next request; nil at the end.
    private func readTarget(_ connection: Int32, _ input: inout [UInt8]) -> String? {
        while true {
            let text = String(decoding: input, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                input = Array(text[end.upperBound...].utf8)
                return text.split(separator: " ").dropFirst().first.map(String.init)
            }
            var chunk = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            input += chunk[..<count]
        }
    }

    /// Returns whether the connection goes on.
    private func answer(
        _ target: String, _ behaviour: Behaviour, _ real: HTTPClient, _ connection: Int32
    ) -> Bool {
        let asked = behaviour == .otherFile ? Self.otherFile(target) : target
        switch behaviour {
        case .honest: return pass(target, real, connection)
        case .deaf: return false
        case .otherFile: return pass(asked, real, connection)
        case .busy:
            return send("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", [], connection)
        case .empty: return send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", [], connection)
        case .noise: return send("FAVSNAP\n", Array(repeating: 7, count: 1_000), connection)
        case .endless:
            guard send("HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n", [], connection) else { return false }
            while send("", Array(repeating: 0x41, count: 65_536), connection) {}
            return false
        case .damaged, .cut, .drip:
            guard var body = try? real.request("GET", asked).body, !body.isEmpty else { return false }
            if behaviour == .damaged { body[body.count / 2] ^= 4 }
            guard send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n", [], connection) else { return false }
            guard behaviour != .cut else {
                _ = send("", Array(body[..<(body.count / 2)]), connection)
                return false
            }
            guard behaviour == .drip else { return send("", body, connection) }
            // The pause is the subject: so slowly the bytes come.
            let never = DispatchSemaphore(value: 0)
            for byte in body {
                guard send("", [byte], connection) else { return false }
                _ = never.wait(timeout: .now() + .milliseconds(100))
            }
            return true
        }
    }

    private static func otherFile(_ target: String) -> String {
        var parts = target.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 2 else { return target }
        parts[2] = parts[2] == "regions.snapshot" ? "seasons.snapshot" : "regions.snapshot"
        return parts.joined(separator: "/")
    }

    /// As the peer answers it.
    private func pass(_ target: String, _ real: HTTPClient, _ connection: Int32) -> Bool {
        guard let response = try? real.request("GET", target) else { return false }
        let retry = response["retry-after"].map { "Retry-After: \($0)\r\n" } ?? ""
        return send(
            "HTTP/1.1 \(response.status) -\r\n\(retry)Content-Length: \(response.body.count)\r\n\r\n", response.body,
            connection)
    }

    private func send(_ head: String, _ body: [UInt8], _ connection: Int32) -> Bool {
        let bytes = Array(head.utf8) + body
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes { part in
                unsafe Glibc.send(connection, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
