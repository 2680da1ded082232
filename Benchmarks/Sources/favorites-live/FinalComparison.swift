import Foundation
import Kafka
import Load
import Logging
import Model
import TestSupport

/// Once updates have stopped and every node has applied them, answers are the reference's byte for byte.
struct FinalComparison {
    /// What of a node's `/health` is looked at.
    private struct Health: Decodable {
        struct Partition: Decodable {
            var topic: String
            var partition: Int
            var applied: Int64
        }
        var partitions: [Partition]
    }

    private static let waitSeconds = 60.0

    let targets: [String]
    let kafkaBrokers: String
    let nodesFile: String
    let requests: Int
    let seed: UInt64
    let now: Int64

    /// Returns how many answers were compared.
    func run(_ reference: Reference, wrong: (String) -> Void) throws -> Int {
        try waitUntilApplied()
        var compared = 0
        for target in targets {
            let router = try client(target)
            var random = RequestGenerator(seed: seed, reference: reference)
            for _ in 0..<requests {
                let request = random.next()
                let expected = reference.answer(method: request.method, target: request.target, now: now)
                let answer = try router.request(request.method, request.target)
                compared += 1
                if answer.status != expected.status {
                    wrong("\(answer.status) instead of \(expected.status): \(request.target)")
                } else if let body = expected.body, request.method == "GET", body != answer.body {
                    wrong("in the end another body than the reference's: \(request.target)")
                }
            }
        }
        return compared
    }

    private func waitUntilApplied() throws {
        guard let text = try? String(contentsOfFile: nodesFile, encoding: .utf8) else {
            throw LoadError("\(nodesFile) cannot be read")
        }
        let admin = try KafkaAdmin(
            options: KafkaClientOptions(brokers: kafkaBrokers), logger: Logger(label: "favorites-live"))
        let names = Dictionary(
            uniqueKeysWithValues: ModelKind.allCases.map { ("favorites-api-\($0.plural)", $0.plural) })
        let counts = try admin.partitionCounts().filter { names[$0.key] != nil }
        var ends: [String: Int64] = [:]
        for (topic, bounds) in try admin.bounds(of: counts) {
            for (partition, bounds) in bounds.enumerated() {
                ends["\(names[topic] ?? "")/\(partition)"] = bounds.end.rawValue
                guard bounds.start.rawValue == 0 else {
                    throw LoadError("the broker has trimmed \(topic) partition \(partition); give it more partitions")
                }
            }
        }
        for line in text.split(separator: "\n") {
            let node = try client(String(line))
            try wait(seconds: Self.waitSeconds, for: "the node at \(line) to apply everything") {
                guard let answer = try? node.request("GET", "/health"), answer.status == 200,
                    let health = try? JSONDecoder().decode(Health.self, from: Data(answer.body)),
                    !health.partitions.isEmpty
                else { return false }
                return health.partitions.allSatisfy { $0.applied >= ends["\($0.topic)/\($0.partition)"] ?? 0 }
            }
        }
    }

    private func client(_ address: String) throws -> HTTPClient {
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else { throw LoadError("'\(address)' is not host:port") }
        return HTTPClient(host: String(parts[0]), port: port)
    }
}
