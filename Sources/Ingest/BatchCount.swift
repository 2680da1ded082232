import Model

/// What a batch counts up, to be added to the metrics once: an atomic addition for each message costs as much as a
/// look-up.
struct BatchCount {
    /// Records of whatever kind, skipped ones included.
    var records = 0
    private var updates = InlineArray<24, UInt32>(repeating: 0)
    private var kind: ModelKind?
    private var beganNs: UInt64 = 0

    /// Records of this model follow.
    mutating func began(_ kind: ModelKind, _ metrics: IngestMetrics, _ clock: () -> UInt64) {
        guard kind != self.kind else { return }
        let now = clock()
        if let last = self.kind { metrics.observeBatch(last, nanoseconds: now - beganNs) }
        (self.kind, beganNs) = (kind, now)
    }

    mutating func count(_ kind: ModelKind, operation: Int) {
        updates[Int(kind.rawValue) * IngestMetrics.operations.count + operation] += 1
    }

    /// The batch is over.
    func publish(_ metrics: IngestMetrics, _ clock: () -> UInt64) {
        guard let kind else { return }
        metrics.observeBatch(kind, nanoseconds: clock() - beganNs)
        for kind in ModelKind.allCases {
            for operation in IngestMetrics.operations.indices {
                let count = updates[Int(kind.rawValue) * IngestMetrics.operations.count + operation]
                if count > 0 { metrics.countUpdates(kind, operation: operation, by: UInt64(count)) }
            }
        }
    }
}
