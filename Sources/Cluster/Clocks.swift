// The clocks, read by shells alone.

import Glibc

public enum Clocks {
    /// Milliseconds since 1970 by the machine's clock.
    public static func wallMs() -> Int64 { read(CLOCK_REALTIME) / 1_000_000 }

    /// Nanoseconds of a clock that never goes back.
    public static func monotonicNs() -> UInt64 { UInt64(read(CLOCK_MONOTONIC)) }

    /// Lets the calling thread, one of the program's own, rest. Never on an event loop.
    public static func pause(milliseconds: Int) { _ = usleep(UInt32(milliseconds) * 1_000) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        // These two clocks always exist on Linux.
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
