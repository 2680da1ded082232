/// What a router has shown, as whoever asks it at an instant can know: answers that were on their way at the same time
/// say nothing about each other.
struct ShownHistory {
    struct Key: Hashable {
        var router: Int
        var event: String
        /// Nil: the event's version; else the name of this participant in it.
        var participant: String?
    }

    /// Steps kept of one key. A request that was sent before the oldest of them is judged by nothing.
    private static let stepsMax = 32

    private var steps: [Key: [(receivedAt: Int64, number: Int64)]] = [:]

    /// The highest number that had been received when a request was sent; nil: none.
    func highest(_ key: Key, at time: Int64) -> Int64? {
        steps[key]?.last { $0.receivedAt <= time }?.number
    }

    /// To be told in the order of receiving.
    mutating func note(_ key: Key, _ number: Int64, receivedAt: Int64) {
        guard number > steps[key]?.last?.number ?? -1 else { return }
        if steps[key]?.count == Self.stepsMax { steps[key]?.removeFirst() }
        steps[key, default: []].append((receivedAt, number))
    }
}
