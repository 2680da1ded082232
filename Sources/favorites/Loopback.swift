// What the demo asks of 127.0.0.1 itself: is a port free, does a server say that it is ready.

import Glibc

enum Loopback {
    /// `port`, or for 0 any, where it is free now; nil where it is not. Whoever takes it in between makes its user fail
    /// with an error of its own.
    static func free(_ port: Int) -> Int? {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard file >= 0 else { return nil }
        defer { close(file) }
        // As the servers do: connections of an earlier server that are still closing are no obstacle.
        var yes: Int32 = 1
        unsafe setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = Self.address(port)
        guard unsafe withAddress(&address, { unsafe bind(file, $0, $1) }) == 0, listen(file, 1) == 0 else { return nil }
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        guard unsafe withAddress(&address, { address, _ in unsafe getsockname(file, address, &size) }) == 0 else {
            return nil
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Whether the server on `port` answers `/health/ready` with 200. Takes a second at most.
    static func isReady(_ port: Int) -> Bool {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard file >= 0 else { return false }
        defer { close(file) }
        var timeout = timeval(tv_sec: 1, tv_usec: 0)
        unsafe setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = Self.address(port)
        guard unsafe withAddress(&address, { unsafe connect(file, $0, $1) }) == 0 else { return false }
        let request = Array("GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".utf8)
        let sent = unsafe request.withUnsafeBytes {
            unsafe send(file, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == request.count else { return false }
        var answer = [UInt8](repeating: 0, count: 12)
        let count = unsafe answer.withUnsafeMutableBytes {
            unsafe recv(file, $0.baseAddress, $0.count, Int32(MSG_WAITALL))
        }
        return count == answer.count && answer == Array("HTTP/1.1 200".utf8)
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(clamping: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func withAddress(
        _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
