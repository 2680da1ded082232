// How long a load took: from its first message until everything held is applied; and how far it is. For people alone. The
// writer's thread owns it.

import Glibc
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

/// How far the boot is: a line of the log a second at most, and where standard error is a terminal a bar that moves. The
/// writer's thread owns it.
struct BootWatch {
    private static let pauseNs: UInt64 = 1_000_000_000
    private static let barWidth = 40
    private var nextNs: UInt64 = 0
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var hasBar = false
    /// The longest estimate there was: the bar's whole length.
    private var secondsMax = 0.0

    mutating func reported(_ report: NodeReport, nowNs: UInt64, logger: Logger) {
        guard report.phase == .loadingGlobals || report.phase == .loadingEvents, report.bootSecondsRemaining > 0 else {
            return removeBar()
        }
        if nowNs >= nextNs {
            nextNs = nowNs + Self.pauseNs
            removeBar()
            let ready = report.holdings.count { $0.isReady }
            logger.info(
                "\(report.phase.rawValue)",
                metadata: [
                    "behind": "\(report.behind)", "partitions": "\(ready)/\(report.holdings.count)",
                    "secondsLeft": "\(Int(report.bootSecondsRemaining.rounded(.up)))",
                ])
        }
        guard isTerminal else { return }
        secondsMax = max(secondsMax, report.bootSecondsRemaining)
        Self.write("\r" + Self.bar(done: 1 - report.bootSecondsRemaining / secondsMax, report.bootSecondsRemaining))
        hasBar = true
    }

    /// Lines of the log stand in its place afterwards.
    private mutating func removeBar() {
        guard hasBar else { return }
        hasBar = false
        Self.write("\r\u{1B}[K")
    }

    /// `[#####...............] 25 %, 12 s left`
    static func bar(done: Double, _ secondsLeft: Double) -> String {
        let done = min(1, max(0, done))
        let filled = Int(done * Double(barWidth))
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled)
            + "] \(Int(done * 100)) %, \(Int(secondsLeft.rounded(.up))) s left\u{1B}[K"
    }

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // What a terminal does not take is lost: it is a bar.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
