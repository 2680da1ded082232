// How long a load took: from its first message until everything held is applied. For the log alone. The writer's
// thread owns it.

import Logging
import Membership

struct LoadWatch {
    private var phase = NodeReport.Phase.loadingGlobals
    /// Messages applied before the phase began, and when the first one of it came.
    private var messagesBefore: UInt64 = 0
    private var firstNs: UInt64?

    /// To be called after each turn, with what was applied since the start and when the turn began.
    mutating func turned(messages: UInt64, beganNs: UInt64) {
        if firstNs == nil, messages > messagesBefore { firstNs = beganNs }
    }

    /// To be called with each report. Logs where a load has come to its end, and returns what it read.
    mutating func reported(
        _ next: NodeReport.Phase, messages: UInt64, nowNs: UInt64, logger: Logger
    ) -> (messages: UInt64, seconds: Double)? {
        guard next != phase else { return nil }
        var read: (messages: UInt64, seconds: Double)?
        if next == .ready || (phase == .loadingGlobals && next == .loadingEvents) {
            let count = messages - messagesBefore
            let seconds = Double(nowNs - (firstNs ?? nowNs)) / 1e9
            read = (count, seconds)
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
        return read
    }
}

/// How far the boot is, for the log: at most a line a second. The writer's thread owns it.
struct BootWatch {
    private static let pauseNs: UInt64 = 1_000_000_000
    private var nextNs: UInt64 = 0

    mutating func reported(_ report: NodeReport, nowNs: UInt64, logger: Logger) {
        guard report.phase == .loadingGlobals || report.phase == .loadingEvents, report.bootSecondsRemaining > 0,
            nowNs >= nextNs
        else { return }
        nextNs = nowNs + Self.pauseNs
        let ready = report.holdings.count { $0.isReady }
        logger.info(
            "\(report.phase.rawValue)",
            metadata: [
                "behind": "\(report.behind)", "partitions": "\(ready)/\(report.holdings.count)",
                "secondsLeft": "\(Int(report.bootSecondsRemaining.rounded(.up)))",
            ])
    }
}
