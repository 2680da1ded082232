// A question at the boot that a broker may leave unanswered once or twice: asked again for a while.

struct BootQuestion {
    /// From the first time on. One that is under way then is waited for.
    static let longestNs: UInt64 = 15_000_000_000
    private static let pauseMs = 200

    private let beganNs: UInt64
    private(set) var asked = 0

    init(nowNs: UInt64) { beganNs = nowNs }

    /// Asks until there is an answer. Returns whether there was one in time.
    mutating func ask(clock: () -> UInt64, pause: (Int) -> Void, _ isAnswered: () -> Bool) -> Bool {
        while true {
            asked += 1
            if isAnswered() { return true }
            guard clock() < beganNs + Self.longestNs else { return false }
            pause(Self.pauseMs)
        }
    }
}
