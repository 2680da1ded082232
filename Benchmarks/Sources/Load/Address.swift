// Where to connect to, and the system calls that do it.

import Glibc

/// A server's address, looked up once.
package struct Address: Sendable {
    /// As given: `host:port`.
    package let text: String
    private var storage = sockaddr_storage()
    private var length: socklen_t = 0
    private var family: Int32 = 0

    /// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
    package init(_ text: String) throws(LoadError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw LoadError("'\(text)' is not host:port, with a port of 1 to 65535")
        }
        self.text = text
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0, let info = unsafe found else {
            throw LoadError("'\(text)' is not known: \(unsafe String(cString: gai_strerror(code)))")
        }
        defer { unsafe freeaddrinfo(info) }
        family = unsafe info.pointee.ai_family
        length = unsafe info.pointee.ai_addrlen
        unsafe withUnsafeMutableBytes(of: &storage) { storage in
            unsafe storage.copyMemory(from: UnsafeRawBufferPointer(start: info.pointee.ai_addr, count: Int(length)))
        }
    }

    /// Begins to connect, without waiting. A negative number is an error of the system, negated.
    func connect() -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(family, type, 0)
        guard socket >= 0 else { return -errno }
        var on: Int32 = 1
        unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let code = unsafe withUnsafeBytes(of: storage) { storage -> Int32 in
            guard let base = storage.baseAddress else { return -1 }
            return unsafe Glibc.connect(socket, base.assumingMemoryBound(to: sockaddr.self), length)
        }
        guard code == 0 || errno == EINPROGRESS else {
            let error = errno
            close(socket)
            return -error
        }
        return socket
    }
}

/// Why a connection that was being made failed; 0: it stands.
func connectError(_ socket: Int32) -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length)
    return code
}

/// Lets the process have as many open files as the system allows it.
package func raiseOpenFiles() -> Int {
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(min(limit.rlim_cur, 1 << 30))
}

/// Nanoseconds of the monotonic clock.
package func monotonicNow() -> Int64 { read(CLOCK_MONOTONIC) }

/// How far the realtime clock is ahead of the monotonic one.
func realtimeLead() -> Int64 {
    var lead: Int64 = 0
    var least = Int64.max
    // The thread may be put aside between two looks; the quickest of three is the one to believe.
    for _ in 0..<3 {
        let before = monotonicNow()
        let realtime = read(CLOCK_REALTIME)
        let took = monotonicNow() - before
        if took < least { (least, lead) = (took, realtime - before - took / 2) }
    }
    return lead
}

/// Nanoseconds that the calling thread has run.
func threadCPU() -> Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

private func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
