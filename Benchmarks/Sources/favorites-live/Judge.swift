import Load
import TestSupport

/// Judges answers, and counts failures by their reasons.
struct Judge {
    /// Told as they come; the counts go on.
    private static let toldMax = 20
    /// Different reasons that are kept.
    private static let reasonsMax = 100

    private let checker: LiveChecker
    private let requests: [LiveChecker.Request]
    private(set) var judged = 0
    private(set) var wrong = 0
    private(set) var reasons: [String: Int] = [:]
    private(set) var freshnessMaxMs = 0
    private var told = 0

    init(checker: LiveChecker, requests: [LiveChecker.Request]) {
        self.checker = checker
        self.requests = requests
    }

    var comparedWhole: Int { checker.comparedWhole }

    mutating func judge(_ observation: Observation) {
        switch observation.outcome {
        case .failed(let failure): note(failure.name, observation)
        case .answered(200, let freshnessMs, let body):
            judged += 1
            freshnessMaxMs = max(freshnessMaxMs, freshnessMs ?? 0)
            var answer = LiveChecker.Answer(
                body: body, sentAt: observation.sentAt, receivedAt: observation.endedAt)
            answer.router = (observation.target ?? 0) << 20 | observation.life
            answer.freshness = Int64(freshnessMs ?? 0) * 1_000_000
            let wrongs = checker.wrongs(requests[observation.request], answer)
            if !wrongs.isEmpty { wrong += 1 }
            for wrong in wrongs { note("wrong: " + wrong, observation) }
        case .answered(let status, _, let body):
            note("\(status): \(String(decoding: body.prefix(300), as: UTF8.self))", observation)
        }
    }

    private mutating func note(_ reason: String, _ observation: Observation) {
        // Names and numbers differ from one to the next; what is counted together is the text around them.
        let kind = reason.filter { !$0.isNumber }
        if reasons.count < Self.reasonsMax || reasons[kind] != nil { reasons[kind, default: 0] += 1 }
        guard told < Self.toldMax else { return }
        told += 1
        let target = observation.target.map { "router \($0 + 1)" } ?? "no router"
        let ms = (observation.endedAt - observation.sentAt) / 1_000_000
        complain("\(reason) — \(target), \(ms) ms after the send, \(requests[observation.request].target)")
    }
}
