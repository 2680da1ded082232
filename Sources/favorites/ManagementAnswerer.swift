// The management port: health, metrics, and what this process holds. Never the public port.

import Cluster
import Foundation
import HTTP1
import HTTPServer
import Membership
import Model
import NIOCore
import Node
import Placement
import Query
import Router
import Store
import Telemetry

final class ManagementAnswerer: Answerer {
    private let parts: Parts
    private let registry: Registry
    private let isNode: Bool
    private let isRouter: Bool
    private let loop: any EventLoop
    /// Made when the store is there.
    private var reader: StoreReader?

    private static let json = ResponseTemplate(
        status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    private static let notReady = ResponseTemplate(
        status: 503,
        fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Retry-After", "1")])
    private static let bytes = ResponseTemplate(
        status: 200, fields: [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")])
    private static let metrics = ResponseTemplate(
        status: 200,
        fields: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Cache-Control", "no-store")])
    private static let paths =
        "/health, /health/live, /health/ready, /metrics, /debug/{plural of a model}/{id}, /snapshots/{file}/header"

    init(parts: Parts, registry: Registry, isNode: Bool, isRouter: Bool, loop: any EventLoop) {
        self.loop = loop
        self.parts = parts
        self.registry = registry
        self.isNode = isNode
        self.isRouter = isRouter
    }

    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ reply: Reply) {
        var path: [UInt8] = []
        for index in head.path.range { path.append(bytes[index]) }
        switch String(decoding: path, as: UTF8.self) {
        case "/health/live": send(Self.json, ["status": "UP"], reply)
        case "/health/ready":
            let isReady = isReady
            send(isReady ? Self.json : Self.notReady, ["status": isReady ? "UP" : "DOWN"], reply)
        case "/health": sendHealth(reply)
        case "/metrics":
            let text = registry.exposition()
            reply.send(Self.metrics, body: text.span)
        case let path where path.hasPrefix("/debug/"): sendRecord(path, reply)
        case let path where path.hasPrefix("/snapshots/"): sendSnapshot(path.dropFirst("/snapshots/".count), reply)
        default:
            reply.send(
                Problem(status: 404, title: "Not Found", detail: "There is no such page. There are: \(Self.paths)."))
        }
    }

    /// A node: all it should hold is loaded. A router: every partition has a ready holder. Both in one: both.
    private var isReady: Bool {
        if isRouter {
            guard let router = parts.router, let missing = router.missing, missing.isEmpty else { return false }
        }
        return isNode ? parts.node?.isReady ?? false : true
    }

    // MARK: - Health

    private struct Health: Encodable {
        struct ModelHealth: Encodable {
            var loaded: Bool
            var size: Int
        }
        struct PartitionHealth: Encodable {
            var topic: String
            var partition: Int32
            var ready: Bool?
            var applied: Int64
            var lag: Int64
            var source: String?
        }
        struct MemberHealth: Encodable {
            var id: String
            var kind: String
            var state: String
            var silent: Bool
        }

        var status: String
        var id: String
        var state: String?
        var safeToRemove: Bool?
        var phase: String?
        var models: [String: ModelHealth]?
        var behind: Int64?
        var bootSecondsRemaining: Double?
        var partitions: [PartitionHealth]?
        var generation: Int64?
        /// Of a router: `kept` while it goes by the view kept on disk, else `live`; absent while it has none.
        var view: String?
        var members: [MemberHealth]?
        var partitionsMissing: [Int32]?
    }

    private func sendHealth(_ reply: Reply) {
        var health = Health(status: isReady ? "UP" : "DOWN", id: "\(parts.id)")
        health.state = parts.node.map { "\($0.state)" }
        health.safeToRemove = parts.node?.isSafeToRemove
        if let report = parts.writer?.report {
            health.phase = report.phase.rawValue
            health.models = Dictionary(
                uniqueKeysWithValues: report.models.map {
                    ($0.kind.name, Health.ModelHealth(loaded: $0.isLoaded, size: $0.size))
                })
            health.behind = report.behind
            health.bootSecondsRemaining = report.bootSecondsRemaining
            health.partitions =
                report.globals.map {
                    Health.PartitionHealth(
                        topic: $0.partition.kind.plural, partition: $0.partition.partition.rawValue,
                        applied: $0.applied.rawValue, lag: $0.lag, source: $0.source)
                }
                + report.holdings.enumerated().map { index, holding in
                    Health.PartitionHealth(
                        topic: ModelKind.event.plural, partition: holding.partition.rawValue, ready: holding.isReady,
                        applied: holding.applied.rawValue, lag: holding.lag,
                        source: index < report.eventSources.count ? report.eventSources[index] : nil)
                }
        }
        if let state = parts.last {
            health.generation = state.view.generation.rawValue
            health.members = state.view.members.map {
                Health.MemberHealth(
                    id: "\($0.heartbeat.id)", kind: "\($0.heartbeat.kind)", state: "\($0.heartbeat.state)",
                    silent: $0.isSilent)
            }
        }
        if let router = parts.router, router.missing != nil { health.view = router.isViewKept ? "kept" : "live" }
        health.partitionsMissing = parts.router?.missing?.partitions.map(\.rawValue)
        send(Self.json, health, reply)
    }

    private func send(_ template: ResponseTemplate, _ value: some Encodable, _ reply: Reply) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Plain values of our own always encode.
        let body = (try? encoder.encode(value)).map { [UInt8]($0) } ?? []
        reply.send(template, body: body.span)
    }

    // MARK: - Snapshots

    /// For another node, which takes the file piece by piece.
    private func sendSnapshot(_ path: Substring, _ reply: Reply) {
        let isNode = parts.writer?.answerPeer(path, on: loop) { answer in
            switch answer {
            case .bytes(let bytes): reply.send(Self.bytes, body: bytes.span)
            case .refusal(let status, let title, let detail, let seconds):
                reply.send(Problem(status: status, title: title, detail: detail, retryAfterSeconds: seconds))
            }
        }
        if isNode != true {
            reply.send(Problem(status: 404, title: "Not Found", detail: "This process has no snapshots."))
        }
    }

    // MARK: - Debug

    /// What this node holds of a model: its JSON, and the message it comes from.
    private func sendRecord(_ path: String, _ reply: Reply) {
        let pieces = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).map(String.init)
        guard pieces.count == 2, let kind = ModelKind.allCases.first(where: { $0.plural == pieces[0] }),
            let id = ID(pieces[1])
        else {
            return reply.send(
                Problem(
                    status: 404, title: "Not Found",
                    detail: "A look-up is /debug/{events|participants|stages|seasons|regions|categories}/{id}."))
        }
        guard let node = parts.node else {
            return reply.send(Problem(status: 404, title: "Not Found", detail: "This process holds no data."))
        }
        let reader = self.reader ?? StoreReader(node.store)
        self.reader = reader
        let text = kind == .event ? event(id, reader) : reference(kind, id, reader)
        guard let text else {
            return reply.send(
                Problem(status: 404, title: "Not Found", detail: "This node does not hold \(kind.name) \(id)."))
        }
        reply.send(Self.json, body: text.span)
    }

    private func event(_ id: ID, _ reader: StoreReader) -> [UInt8]? {
        let partition = Partitioner.partition(of: id, partitions: reader.store.partitionCounts[0])
        return reader.read { view in
            guard let found = unsafe view.event(id, in: partition) else { return nil }
            return unsafe Self.describe(found.record.partition, found.record.offset, found.record.json, isKnown: true)
        }
    }

    private func reference(_ kind: ModelKind, _ id: ID, _ reader: StoreReader) -> [UInt8]? {
        reader.read { view in
            guard let record = unsafe view.reference(kind, id) else { return nil }
            return unsafe Self.describe(record.partition, record.offset, record.json, isKnown: record.isKnown)
        }
    }

    /// A stage's and an unknown model's text has no closing brace, since more is joined to it in an answer.
    private static func describe(
        _ partition: PartitionID, _ offset: Offset, _ json: UnsafeBufferPointer<UInt8>, isKnown: Bool
    ) -> [UInt8] {
        var text = Array("{\"known\":\(isKnown),".utf8)
        if isKnown { text += "\"partition\":\(partition),\"offset\":\(offset),".utf8 }
        text += "\"record\":".utf8
        unsafe text.append(contentsOf: json)
        if unsafe json.last != 0x7D || !isBalanced(json) { text.append(0x7D) }
        text.append(0x7D)
        return text
    }

    /// Whether the text's braces close: a brace inside a string is passed over.
    private static func isBalanced(_ json: UnsafeBufferPointer<UInt8>) -> Bool {
        var (depth, isInString, isEscaped) = (0, false, false)
        for index in json.indices {
            let byte = unsafe json[index]
            if isEscaped {
                isEscaped = false
            } else if isInString {
                if byte == 0x5C { isEscaped = true }
                if byte == 0x22 { isInString = false }
            } else {
                if byte == 0x22 { isInString = true }
                if byte == 0x7B { depth += 1 }
                if byte == 0x7D { depth -= 1 }
            }
        }
        return depth == 0
    }
}
