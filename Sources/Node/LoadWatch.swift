// How long a load took: from its first message until everything held is applied. For the log alone. The writer's
// thread owns it.

import Logging

struct LoadWatch {
    private var phase = NodeReport.Phase.loadingGlobals
    /// Messages applied before the phase began, and when the first one of it came.
    private var messagesBefore: UInt64 = 0
    private var firstNs: UInt64?

    /// To be called after each turn, with what was applied since the start and when the turn began.
    mutating func turned(messages: UInt64, beganNs: UInt64) {
        if firstNs == nil, messages > messagesBefore { firstNs = beganNs }
    }

    /// To be called with each report. Logs where a load has come to its end; whether one has.
    mutating func reported(_ next: NodeReport.Phase, messages: UInt64, nowNs: UInt64, logger: Logger) -> Bool {
        guard next != phase else { return false }
        let isEnd = next == .ready || (phase == .loadingGlobals && next == .loadingEvents)
        if isEnd {
            let count = messages - messagesBefore
            let seconds = Double(nowNs - (firstNs ?? nowNs)) / 1e9
            logger.info(
                "\(next == .ready ? "loaded events" : "loaded global topics")",
                metadata: [
                    "messages": "\(count)", "ms": "\(Int(seconds * 1_000))",
                    "messages/s": "\(seconds > 0 ? Int(Double(count) / seconds) : 0)",
                ])
        }
        phase = next
        messagesBefore = messages
        firstNs = nil
        return isEnd
    }
}
