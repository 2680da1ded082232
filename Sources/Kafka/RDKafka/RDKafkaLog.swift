// Where librdkafka's log lines go. Written to by librdkafka's threads, hence the lock.

import CRDKafka
import Logging
import Synchronization

/// At most `linesMax` lines a second; the others are counted, and the count is told with the next line that passes.
final class RDKafkaLog: Sendable {
    static let linesMax = 10

    private struct Window {
        var second: Int64 = 0
        var lines = 0
        var suppressed = 0
    }

    private let logger: Logger
    private let options: KafkaClientOptions
    private let window = Mutex(Window())

    init(logger: Logger, options: KafkaClientOptions) {
        self.logger = logger
        self.options = options
    }

    /// `level` is syslog's.
    func write(level: Int32, facility: String, message: String) {
        guard let suppressed = admit() else { return }
        var metadata: Logger.Metadata = ["facility": "\(facility)"]
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        // Every topic is opened only once it is known to exist, so that a broker cannot be told not to make it is no news.
        let level = facility == "AUTOCREATE" ? .debug : Self.level(level)
        logger.log(level: level, "\(options.redact(message))", metadata: metadata)
    }

    /// The number of lines kept back since the last one that passed; nil where this one is kept back too.
    private func admit() -> Int? {
        let second = ContinuousClock.now.secondsOfClock
        return window.withLock { window in
            if window.second != second {
                window.second = second
                window.lines = 0
            }
            guard window.lines < Self.linesMax else {
                window.suppressed += 1
                return nil
            }
            window.lines += 1
            defer { window.suppressed = 0 }
            return window.suppressed
        }
    }

    private static func level(_ level: Int32) -> Logger.Level {
        switch level {
        case ...2: .critical
        case 3: .error
        case 4: .warning
        case 5: .notice
        case 6: .info
        default: .debug
        }
    }
}

extension ContinuousClock.Instant {
    private static let origin = ContinuousClock.now

    /// Whole seconds since some fixed instant of this process.
    var secondsOfClock: Int64 { (self - Self.origin).components.seconds }
}
