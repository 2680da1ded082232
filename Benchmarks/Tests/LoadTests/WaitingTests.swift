import CLoad
import Glibc
import Histogram
import Testing

@testable import Load

@Suite struct WaitingTests {
    /// Both ends of a connection over loopback.
    private func pair() throws -> (near: Int32, far: Int32) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let near = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let code = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                guard unsafe bind(listener, address, length) == 0, listen(listener, 1) == 0,
                    unsafe getsockname(listener, address, &length) == 0
                else { return -1 }
                return unsafe connect(near, address, length)
            }
        }
        try #require(code == 0)
        return (near, accept(listener, nil, nil))
    }

    /// The stamp is of the arrival, however late the bytes are read, and whether they are read or dropped.
    @Test(arguments: [false, true])
    func whatIsReadLateIsStampedWithItsArrival(isDropped: Bool) throws {
        let (near, far) = try pair()
        defer {
            close(near)
            close(far)
        }
        try #require(load_stamp_arrivals(near) == 0)
        var stamp: Int64 = 0
        // The kernel begins to note arrivals a moment after it was first asked to.
        for _ in 0..<1_000 where stamp == 0 {
            try sendBytes(far)
            #expect(receive(near, Int32(MSG_WAITALL), &stamp) == Self.count)
            load_sleep_until(monotonicNow() + 1_000_000)
        }
        try #require(stamp != 0)
        let lead = realtimeLead()
        let before = monotonicNow()
        try sendBytes(far)
        // It is told of before the delay begins, so it has come.
        var poll = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
        let told = unsafe Glibc.poll(&poll, 1, 5_000)
        try #require(told == 1)
        let come = monotonicNow()
        load_sleep_until(come + 20_000_000)
        #expect(receive(near, isDropped ? Int32(MSG_TRUNC) : 0, &stamp) == Self.count)
        // The clocks are read one after the other, which leaves some microseconds.
        #expect(stamp - lead >= before - 1_000_000 && stamp - lead <= come + 1_000_000)
        // Where nothing more comes, what is known stays.
        let known = stamp
        #expect(receive(near, Int32(MSG_DONTWAIT), &stamp) == -1)
        #expect(stamp == known)
    }

    private static let count = 100

    private func sendBytes(_ socket: Int32) throws {
        let sent = unsafe send(socket, [UInt8](repeating: 0, count: Self.count), Self.count, Int32(MSG_NOSIGNAL))
        try #require(sent == Self.count)
    }

    private func receive(_ socket: Int32, _ flags: Int32, _ stamp: inout Int64) -> Int {
        var bytes = [UInt8](repeating: 0, count: Self.count)
        return unsafe load_receive(socket, &bytes, Self.count, flags, &stamp)
    }

    @Test func aSleepLastsUntilItsInstant() {
        let end = monotonicNow() + 2_000_000
        load_sleep_until(end)
        #expect(monotonicNow() >= end)
    }

    /// So close to each other that the loop sleeps from send to send: 8 in a millisecond, some 16 of them under way, of 64
    /// connections. No answer is left or lost, and each is counted from the moment its request was due to the moment it
    /// came.
    @Test func answersThatWaitForTheNextSendAreAllTaken() throws {
        let server = try TestServer { _, _ in .later(2, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") }
        defer { server.end() }
        var plan = LoadPlan(
            targets: [try Address(server.target)], requests: RequestSet([RequestText(path: "/")], host: "x"))
        plan.connections = 64
        plan.warmUpSeconds = 0
        plan.seconds = 0.3
        plan.rate = 8_000
        plan.arrivals = .constant
        plan.checkEvery = 100
        let counts = try LoadRun.run(plan)
        #expect(counts.answered == 2_399 && counts.failed == 0, "due at 125 µs, 250 µs … 299.875 ms")
        #expect(counts.bodyBytes == 5 * 2_399)
        #expect(counts.samples.count == 23)
        #expect(counts.latencies.totalCount == 2_399 && counts.services.totalCount == 2_399)
        // From the send it is never longer than from the instant due, which is no later.
        #expect(counts.services.max <= counts.latencies.max)
        // The server's 2 ms are in both. The clocks are read one after the other, which leaves some microseconds.
        #expect(counts.services.valueAtPercentile(50) > 1_900_000)
        #expect(counts.latencies.valueAtPercentile(50) > 1_900_000)
    }
}
