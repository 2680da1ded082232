// A hook that is called by HTTP: the call as JSON, signed, under its idempotency key, a few times at most.

import AsyncHTTPClient
import Autoscale
import Foundation
import Membership
import NIOCore
import NIOHTTP1
public import NIOPosix

public struct WebhookHook: Hook {
    /// Attempts of one call; the autoscaler calls again after its cool-down.
    public static let attemptsMax = 3

    private let url: String
    private let key: WebhookKey
    private let timeout: Duration
    private let group: MultiThreadedEventLoopGroup
    private let pause: Duration
    private let wallMs: @Sendable () -> Int64

    /// `timeout` is of one attempt; `pause` comes before the second and is doubled before the third. `url` begins with
    /// http:// or https://.
    public init(
        url: String, key: WebhookKey, timeout: Duration, group: MultiThreadedEventLoopGroup,
        pause: Duration = .seconds(1), wallMs: @escaping @Sendable () -> Int64
    ) {
        self.url = url
        self.key = key
        self.timeout = timeout
        self.group = group
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
        var configuration = HTTPClient.Configuration()
        // The signature is for this receiver alone.
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .milliseconds(timeout.milliseconds)
        let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        let result = await attempts(call, client)
        // Connections that are still open go with it; there is nothing to do about an error here.
        try? await client.shutdown()
        return result
    }

    private func attempts(_ call: HookCall, _ client: HTTPClient) async -> HookResult {
        let body = Self.body(of: call)
        var failure = HookFailure.stopped
        for attempt in 0..<Self.attemptsMax {
            if attempt > 0 {
                guard (try? await Task.sleep(for: pause * (1 << (attempt - 1)))) != nil else {
                    return .failed(.stopped)
                }
            }
            switch await post(body, key: call.call.key, client) {
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

    private func post(_ body: [UInt8], key idempotencyKey: String, _ client: HTTPClient) async -> HookResult {
        let timestamp = "\(wallMs() / 1_000)"
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "Idempotency-Key", value: idempotencyKey)
        request.headers.add(name: "Favorites-Timestamp", value: timestamp)
        request.headers.add(name: "Favorites-Signature", value: key.signature(timestamp: timestamp, body: body))
        request.body = .bytes(body)
        do {
            let response = try await client.execute(request, timeout: .milliseconds(timeout.milliseconds))
            // The answer's body is not read: the status says all.
            let status = Int(response.status.code)
            return (200..<300).contains(status) ? .done("status \(status)") : .failed(.refused(status: status))
        } catch let error as HTTPClientError {
            return .failed(error == .deadlineExceeded ? .timedOut(output: "") : .unreachable("\(error)"))
        } catch {
            // An error's text may tell the URL, which may hold a token; its kind does not.
            return .failed(.unreachable("\(type(of: error))"))
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
