// A hook that is a program. It runs as a process group of its own, with arguments and variables, and is ended with all
// that it started where it takes too long. What it started may live on where it ended by itself: that is what it is
// for, so its end alone counts, not the end of its output.

import Autoscale
import CSpawn
import Foundation
import Glibc
import Membership
import Synchronization

public struct CommandHook: Hook {
    /// What is kept of the output: the last so many bytes; the rest is read and dropped.
    static let outputBytesMax = 1_024
    /// From SIGTERM to SIGKILL.
    static let mercy = Duration.seconds(2)
    /// How long a turn waits for output.
    private static let turnMs: Int32 = 20

    private let path: String
    private let arguments: [String]
    private let timeout: Duration
    private let environment: [String: String]

    /// `words` are the program's path and its first arguments. Of `environment` nothing that begins with `FAVORITES_`
    /// is handed on: it belongs to this process (its id, ports, secrets), and would be taken by a node that the hook
    /// starts.
    public init(words: [String], timeout: Duration, environment: [String: String]) {
        precondition(!words.isEmpty)
        path = words[0]
        arguments = Array(words.dropFirst())
        self.timeout = timeout
        self.environment = environment.filter { !$0.key.hasPrefix("FAVORITES_") && !$0.key.hasPrefix("AUTOSCALE_") }
    }

    public func call(_ call: HookCall) async -> HookResult {
        let isStopped = Flag()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // It waits for another process: not a thread of the pool.
                let thread = Thread { continuation.resume(returning: run(call, isStopped)) }
                thread.name = "hook"
                thread.start()
            }
        } onCancel: {
            isStopped.isSet.store(true, ordering: .relaxed)
        }
    }

    /// Set by another thread, read by the hook's. Relaxed: it carries no other data.
    private final class Flag: Sendable {
        let isSet = Atomic<Bool>(false)
    }

    /// The variables that tell the program what to do.
    static func variables(of call: HookCall) -> [String: String] {
        var variables = [
            "AUTOSCALE_ACTION": call.call.action.name, "AUTOSCALE_KEY": call.call.key,
            "AUTOSCALE_GENERATION": "\(call.call.generation.rawValue)", "AUTOSCALE_NODES": "\(call.call.nodes)",
            "AUTOSCALE_DESIRED_NODES": "\(call.call.desiredNodes)", "AUTOSCALE_REASON": call.reason,
        ]
        if let node = call.call.node { variables["AUTOSCALE_NODE"] = "\(node)" }
        return variables
    }

    private func run(_ call: HookCall, _ isStopped: Flag) -> HookResult {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return .failed(.cannotStart(reason(errno))) }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // This end alone: the program's must wait while it is full.
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        let variables = environment.merging(Self.variables(of: call)) { $1 }
        let error: Int32
        var process: pid_t = 0
        do {
            defer { close(ends[1]) }
            error = spawn([path] + arguments + [call.call.action.name], variables, output: ends[1], &process)
        }
        guard error == 0 else { return .failed(.cannotStart("\(path): \(reason(error))")) }
        return follow(process, output: ends[0], isStopped)
    }

    private func spawn(
        _ words: [String], _ variables: [String: String], output: Int32, _ process: inout pid_t
    ) -> Int32 {
        let arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        let environment = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for index in unsafe arguments.indices { unsafe free(arguments[index]) }
            for index in unsafe environment.indices { unsafe free(environment[index]) }
        }
        return unsafe favorites_spawn(path, arguments, environment, output, &process)
    }

    /// Reads the output until the process has ended, and ends it where its time is over.
    private func follow(_ process: pid_t, output: Int32, _ isStopped: Flag) -> HookResult {
        let deadline = ContinuousClock.now + timeout
        var said: [UInt8] = []
        var status: Int32 = 0
        var endedAt: ContinuousClock.Instant?
        var isTooLate = false
        var ended: pid_t = 0
        while true {
            ended = unsafe waitpid(process, &status, WNOHANG)
            guard ended == 0 else { break }
            let now = ContinuousClock.now
            let isOver = now >= deadline
            if let endedAt {
                if now >= endedAt + Self.mercy { kill(-process, SIGKILL) }
            } else if isOver || isStopped.isSet.load(ordering: .relaxed) {
                isTooLate = isOver
                endedAt = now
                kill(-process, SIGTERM)
            }
            take(output, &said)
        }
        if endedAt != nil { kill(-process, SIGKILL) }
        take(output, &said)
        let text = shown(said, bytesMax: Self.outputBytesMax)
        guard ended == process else { return .failed(.cannotStart("how it ended is not known: \(reason(errno))")) }
        if isTooLate { return .failed(.timedOut(output: text)) }
        if endedAt != nil { return .failed(.stopped) }
        if status & 0x7F != 0 { return .failed(.killed(signal: status & 0x7F, output: text)) }
        let code = status >> 8 & 0xFF
        return code == 0 ? .done(text) : .failed(.exited(code: code, output: text))
    }

    /// Takes what there is, after a short wait for it; a program that says more than it should is read, never stopped.
    private func take(_ output: Int32, _ said: inout [UInt8]) {
        var wait = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&wait, 1, Self.turnMs)
        // At most so much a turn, so that the time is looked at however much is said.
        for _ in 0..<16 {
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
                count = unsafe max(0, read(output, buffer.baseAddress, buffer.count))
            }
            guard !bytes.isEmpty else { break }
            said += bytes
            if said.count > Self.outputBytesMax { said.removeFirst(said.count - Self.outputBytesMax) }
        }
        // Its output is closed, itself it lives: the wait above would not wait.
        if Int32(wait.revents) & POLLHUP != 0 { _ = usleep(UInt32(Self.turnMs) * 1_000) }
    }

    private func reason(_ error: Int32) -> String { unsafe String(cString: strerror(error)) }
}
