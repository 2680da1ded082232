/// How to reach Kafka.
public struct KafkaClientOptions: Sendable {
    /// Bootstrap addresses, `host:port`, separated by commas.
    public var brokers: String
    /// Shown in the brokers' own logs and metrics.
    public var clientID: String
    /// librdkafka's options by librdkafka's names. They win over this module's defaults; those that the project
    /// decides are refused when a client is made. May hold passwords: neither errors nor logs show them.
    public var passthrough: [String: String]

    public init(brokers: String, clientID: String = "favorites", passthrough: [String: String] = [:]) {
        self.brokers = brokers
        self.clientID = clientID
        self.passthrough = passthrough
    }

    /// Whether the value of librdkafka's `option` must never be shown.
    static func isSecret(_ option: String) -> Bool {
        ["password", "secret", "key", "token", "jaas", "oauth", "pem"].contains { option.contains($0) }
    }

    /// `text` with every secret value in it blotted out.
    func redact(_ text: String) -> String {
        var text = text
        for (option, value) in passthrough where Self.isSecret(option) && !value.isEmpty {
            text = text.split(separator: value, omittingEmptySubsequences: false).joined(separator: "(secret)")
        }
        return text
    }
}
