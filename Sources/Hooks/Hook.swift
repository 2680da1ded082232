// What the autoscaler calls: a command, or a webhook. Both are bounded in time and in what they may say.

public import Autoscale

/// A call of a hook, as command and webhook tell it.
public struct HookCall: Sendable, Hashable {
    public var call: AutoscaleCall
    public var reason: String

    public init(call: AutoscaleCall, reason: String) {
        self.call = call
        self.reason = reason
    }
}

public enum HookResult: Sendable, Hashable {
    /// What the hook said, cut.
    case done(String)
    case failed(HookFailure)
}

public enum HookFailure: Error, Sendable, Hashable, CustomStringConvertible {
    case cannotStart(String)
    case exited(code: Int32, output: String)
    case killed(signal: Int32, output: String)
    case timedOut(output: String)
    case refused(status: Int)
    /// No answer at any attempt; what the last one died of.
    case unreachable(String)
    case stopped

    /// For metrics.
    public var name: String {
        switch self {
        case .cannotStart: "cannot-start"
        case .exited: "exit-code"
        case .killed: "killed"
        case .timedOut: "timeout"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .stopped: "stopped"
        }
    }

    public static let names = [
        "cannot-start", "exit-code", "killed", "timeout", "refused", "unreachable", "stopped",
    ]

    public var description: String {
        switch self {
        case .cannotStart(let reason): "it cannot be started: \(reason)"
        case .exited(let code, let output): "it ended with code \(code)\(Self.said(output))"
        case .killed(let signal, let output): "signal \(signal) ended it\(Self.said(output))"
        case .timedOut(let output): "it took too long and was ended\(Self.said(output))"
        case .refused(let status): "it was answered with status \(status)"
        case .unreachable(let reason): "it was not answered: \(reason)"
        case .stopped: "this process stops"
        }
    }

    private static func said(_ output: String) -> String { output.isEmpty ? "" : ": \(output)" }
}

public protocol Hook: Sendable {
    /// Ends within a bounded time, at once where the task is cancelled.
    func call(_ call: HookCall) async -> HookResult
}

/// Text of others for a line of the log: its end, without control characters.
func shown(_ bytes: [UInt8], bytesMax: Int) -> String {
    var text = String(decoding: bytes.suffix(bytesMax), as: UTF8.self)
    text = String(text.map { $0.isNewline ? " " : ($0.unicodeScalars.first?.value ?? 0) < 0x20 ? "?" : $0 })
    return text.split(separator: " ").joined(separator: " ")
}
