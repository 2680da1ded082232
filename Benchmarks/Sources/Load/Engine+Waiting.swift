// When the loop sleeps, and when an answer came that was there before the loop looked.
//
// In an open loop most of a request's cost is the kernel's: a timer set, the thread put aside, woken for the answer, put
// aside again, woken for the next send. A thread that has something to send within a moment sleeps until then, and takes
// up the answers that came meanwhile in the same turn. No latency grows by that: the kernel notes when an answer came, and
// that is what is counted. Nor does the server wake a client, which a client elsewhere would not have it do either.

import CLoad
import Glibc

extension Engine {
    /// Answers wait no longer than this for the next send.
    private static let answersWaitNs: Int64 = 200_000
    /// A longer one may fill the socket's buffers, so that the server waits for whoever reads.
    private static let waitingBytesMax = 32 << 10
    /// Setting a timer, sleeping and waking take longer.
    static let shortestSleepNs: Int64 = 5_000

    /// Open loop, and nobody judges answers in the order in which they were read.
    var stampsArrivals: Bool { schedule != nil && plan.observations == nil }

    /// Handles what there is, sleeping until `deadline` or an event where there is nothing. Returns the number of sockets
    /// with events.
    func wait(until deadline: Int64, _ now: Int64) -> Int {
        if plan.spins || deadline - now < Self.shortestSleepNs { return handleEvents(until: now, now) }
        guard answersMayWait(until: deadline, now) else { return handleEvents(until: deadline, now) }
        let count = handleEvents(until: now, now)
        if deadline - monotonicNow() >= Self.shortestSleepNs { load_sleep_until(deadline) }
        return count
    }

    /// The next send is near and sure to find a free connection.
    private func answersMayWait(until deadline: Int64, _ now: Int64) -> Bool {
        stampsArrivals && nextArrival <= deadline && deadline - now <= Self.answersWaitNs
            && idle.count * 2 >= connections.count && longestBody <= Self.waitingBytesMax
    }

    /// Up to `count` bytes into `bytes`, or dropped where that is nil; notes when they came.
    func receive(_ index: Int, _ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int) -> Int {
        // On a TCP socket Linux throws away what MSG_TRUNC receives, without a copy.
        let flags = unsafe bytes == nil ? Int32(MSG_TRUNC) : 0
        guard stampsArrivals else { return unsafe recv(connections[index].socket, bytes, count, flags) }
        return unsafe load_receive(connections[index].socket, bytes, count, flags, &connections[index].stamp)
    }

    /// When the last bytes of the answer came, at `now` the latest.
    func arrival(_ index: Int, _ now: Int64) -> Int64 {
        let stamp = connections[index].stamp
        // Within what is possible, should the realtime clock have been set meanwhile.
        return stamp == 0 ? now : min(max(stamp - clockLead, connections[index].sentAt), now)
    }
}
