/// Hands out a checker's updates at a rate, in batches: the next one begins when the broker has taken the last, so that
/// the checker knows of each change when it was published. Times are nanoseconds.
public struct UpdateFlow {
    /// From one batch to the next; so an update is this much late at most.
    private static let batchNs: Int64 = 20_000_000
    /// What may be made up for after the broker was away.
    private static let owedSecondsMax = 0.1

    private let rate: Int
    private var nextBatch: Int64 = 0
    private var batchAt: Int64 = 0
    private var isOnItsWay = false
    /// The rate counts from here.
    private var from: Int64?
    private var given = 0
    public private(set) var sent = 0
    /// The longest that a batch was on its way.
    public private(set) var slowestNs: Int64 = 0

    public init(rate: Int) { self.rate = rate }

    /// Everything that was handed out has reached the broker, or was given up.
    public var isDone: Bool { !isOnItsWay }

    /// Takes note of how many updates are done in all, then hands out what is due, unless it `ends`.
    public mutating func turn(
        _ checker: LiveChecker, now: Int64, done: Int, ends: Bool = false,
        send: (GeneratedUpdate) throws -> Void
    ) rethrows {
        if isOnItsWay {
            guard done == sent else { return }
            isOnItsWay = false
            slowestNs = max(slowestNs, now - batchAt)
            checker.delivered(at: now)
        }
        guard !ends, now >= nextBatch else { return }
        nextBatch = now + Self.batchNs
        batchAt = now
        for _ in 0..<due(now) {
            try send(checker.nextUpdate())
            sent += 1
            isOnItsWay = true
        }
    }

    private mutating func due(_ now: Int64) -> Int {
        let start = from ?? now
        from = start
        let owed = Int(Double(now - start) / 1e9 * Double(rate)) - given
        let most = max(1, Int(Self.owedSecondsMax * Double(rate)))
        guard owed > most else {
            given += owed
            return owed
        }
        from = now
        given = 0
        return most
    }
}
