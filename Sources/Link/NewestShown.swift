/// The newest message that a node has shown to one loop, by Kafka's timestamps. A value without clock.
struct NewestShown {
    private var newestMs: Int64 = 0

    /// The timestamp, where it is newer than all before. Not the first one: what was there when the link was made says
    /// nothing of how long it took to come.
    mutating func news(_ timestampMs: Int64) -> Int64? {
        guard timestampMs > newestMs else { return nil }
        defer { newestMs = timestampMs }
        return newestMs == 0 ? nil : timestampMs
    }
}
