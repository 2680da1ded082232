// librdkafka's in-memory broker: the real protocol on loopback, for development, the demo and tests.
//
// What release 2.0.2 does and does not, as its source shows:
// - It listens on 127.0.0.1 at a port the system chooses; no port or address can be asked for.
// - A metadata request that names an unknown topic creates it with 4 partitions, whatever the client allows: its
//   metadata stops at version 2, and the client's wish not to create is part of version 4. So nobody may name a topic
//   before having seen it in the list of all topics.
// - It keeps 5 MiB of record batches a partition (compressed as they came; at most 100,000 batches) and drops the
//   oldest batch beyond that, whatever the keys: it does not compact.
// - CreateTopics, DescribeConfigs and transaction markers are missing, and the controller it names (0) is not its
//   broker (1). An empty fetch is delayed by all of the
//   client's fetch.wait.max.ms. One fetch brings one batch a partition, so small batches load slowly.

import CRDKafka
public import Logging

@safe
public final class MockBroker {
    private let client: RDKafkaClient
    private let cluster: OpaquePointer
    /// `host:port` of the broker.
    public let bootstrap: String

    /// Starts a broker on a free loopback port; it ends with this object.
    public init(logger: Logger) throws(KafkaError) {
        client = try RDKafkaClient(
            role: .broker, options: KafkaClientOptions(brokers: "", clientID: "broker"), logger: logger)
        guard let cluster = unsafe rd_kafka_mock_cluster_new(client.handle, 1) else {
            throw KafkaError(.failed, "the embedded broker could not listen on 127.0.0.1")
        }
        unsafe self.cluster = unsafe cluster
        bootstrap = unsafe String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
    }

    deinit { unsafe rd_kafka_mock_cluster_destroy(cluster) }

    /// Makes a topic. Throws `topicExists`.
    public func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
        let error = unsafe rd_kafka_mock_topic_create(cluster, name, Int32(clamping: partitions), 1)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(error, doing: "creating topic \(name)") }
    }

    /// Ends all connections and takes no new ones. The logs stay.
    public func setDown() throws(KafkaError) {
        try check(unsafe rd_kafka_mock_broker_set_down(cluster, -1), "stopping the embedded broker")
    }

    /// Takes connections again, at the same address.
    public func setUp() throws(KafkaError) {
        try check(unsafe rd_kafka_mock_broker_set_up(cluster, -1), "starting the embedded broker again")
    }

    private func check(_ error: rd_kafka_resp_err_t, _ doing: String) throws(KafkaError) {
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(error, doing: doing) }
    }
}
