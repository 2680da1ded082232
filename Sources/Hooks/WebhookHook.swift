// A hook that is called by HTTP: the call as JSON, signed, under its idempotency key, a few times at most.

import Autoscale
import Foundation
import FoundationNetworking
import Membership
import Synchronization

public struct WebhookHook: Hook {
    /// Attempts of one call; the autoscaler calls again after its cool-down.
    public static let attemptsMax = 3

    private let url: String
    private let key: WebhookKey
    private let timeout: Duration
    private let pause: Duration
    private let wallMs: @Sendable () -> Int64

    /// `timeout` is of one attempt; `pause` comes before the second and is doubled before the third. `url` begins with
    /// http:// or https://.
    public init(
        url: String, key: WebhookKey, timeout: Duration, pause: Duration = .seconds(1),
        wallMs: @escaping @Sendable () -> Int64
    ) {
        self.url = url
        self.key = key
        self.timeout = timeout
        self.pause = pause
        self.wallMs = wallMs
    }

    private struct Body: Encodable {
        var action: String
        var key: String
        var generation: Int64
        var node: String?
        var nodes: Int
        var desiredNodes: Int
        var reason: String
    }

    static func body(of call: HookCall) -> [UInt8] {
        let body = Body(
            action: call.call.action.name, key: call.call.key, generation: call.call.generation.rawValue,
            node: call.call.node.map { "\($0)" }, nodes: call.call.nodes, desiredNodes: call.call.desiredNodes,
            reason: call.reason)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Plain values of our own always encode.
        return (try? encoder.encode(body)).map { [UInt8]($0) } ?? []
    }

    public func call(_ call: HookCall) async -> HookResult {
        let body = Self.body(of: call)
        var failure = HookFailure.stopped
        for attempt in 0..<Self.attemptsMax {
            if attempt > 0 {
                guard (try? await Task.sleep(for: pause * (1 << (attempt - 1)))) != nil else {
                    return .failed(.stopped)
                }
            }
            switch await post(body, key: call.call.key) {
            case .done(let text): return .done(text)
            case .failed(let reason): failure = reason
            }
            if Task.isCancelled { return .failed(.stopped) }
            guard Self.isWorthAnother(failure) else { break }
        }
        return .failed(failure)
    }

    /// What may be better in a moment; a refusal for good is not asked again.
    private static func isWorthAnother(_ failure: HookFailure) -> Bool {
        guard case .refused(let status) = failure else { return true }
        return status >= 500 || status == 408 || status == 429
    }

    private func post(_ body: [UInt8], key idempotencyKey: String) async -> HookResult {
        guard let url = URL(string: url) else { return .failed(.unreachable("autoscale.webhook.url is no URL")) }
        let timestamp = "\(wallMs() / 1_000)"
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.httpBody = Data(body)
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.setValue(idempotencyKey, forHTTPHeaderField: "Idempotency-Key")
        request.setValue(timestamp, forHTTPHeaderField: "Favorites-Timestamp")
        request.setValue(key.signature(timestamp: timestamp, body: body), forHTTPHeaderField: "Favorites-Signature")
        return await WebhookAttempt().run(request, timeout: timeout)
    }
}

/// One request. It ends with the head of the answer, with an error, with the time, or where the task is cancelled;
/// whatever comes first counts. The answer's body is not read: the status says all.
///
/// FoundationNetworking traps where it is told to cancel while it waits for a completion handler that is called all the same.
/// So under one lock either the answer comes first, and the task ends by its handlers, or the end does, and no handler is
/// called any more.
final class WebhookAttempt: NSObject, URLSessionDataDelegate {
    private struct State {
        var continuation: CheckedContinuation<HookResult, Never>?
        var result: HookResult?
        /// The head of the answer has come before anything else.
        var isAnswered = false
    }

    private let state = Mutex(State())

    func run(_ request: URLRequest, timeout: Duration) async -> HookResult {
        let session = URLSession(configuration: .ephemeral, delegate: self, delegateQueue: nil)
        // The session keeps its delegate until then.
        defer {
            if state.withLock({ $0.isAnswered }) {
                session.finishTasksAndInvalidate()
            } else {
                session.invalidateAndCancel()
            }
        }
        let timer = Task {
            guard (try? await Task.sleep(for: timeout)) != nil else { return }
            end(.failed(.timedOut(output: "")))
        }
        defer { timer.cancel() }
        session.dataTask(with: request).resume()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let result = state.withLock { state in
                    if state.result == nil { state.continuation = continuation }
                    return state.result
                }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            end(.failed(.stopped))
        }
    }

    private func end(_ result: HookResult) {
        let continuation = state.withLock { state in
            if state.result == nil { state.result = result }
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(returning: result)
    }

    /// `proceed` calls the completion handler, and is called unless something else has ended the request before.
    private func answered(_ response: URLResponse, _ proceed: () -> Void) {
        let goesOn = state.withLock { state in
            if state.result == nil { state.isAnswered = true }
            return state.isAnswered
        }
        guard goesOn else { return }
        proceed()
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        end((200..<300).contains(status) ? .done("status \(status)") : .failed(.refused(status: status)))
    }

    func urlSession(
        _: URLSession, dataTask _: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
    ) {
        answered(response) { completionHandler(.cancel) }
    }

    /// The signature is for this receiver alone: nobody is sent on.
    func urlSession(
        _: URLSession, task _: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest _: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
    ) {
        answered(response) { completionHandler(nil) }
    }

    func urlSession(_: URLSession, task _: URLSessionTask, didCompleteWithError error: (any Error)?) {
        // An error's text may tell the URL, which may hold a token; its code does not.
        let code = (error as? URLError)?.code
        switch code {
        case .timedOut?: end(.failed(.timedOut(output: "")))
        case .cannotFindHost?: end(.failed(.unreachable("its host has no address")))
        case .cannotConnectToHost?: end(.failed(.unreachable("nobody listens there")))
        default: end(.failed(.unreachable("URLError \(code.map { "\($0.rawValue)" } ?? "without a code")")))
        }
    }
}
