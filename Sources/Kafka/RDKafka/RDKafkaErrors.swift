// librdkafka's error codes as ours.

import CRDKafka

extension KafkaError {
    /// `doing` is the start of the sentence: "creating topic x".
    init(_ error: rd_kafka_resp_err_t, doing: String, detail: String? = nil) {
        let reason = detail ?? describe(error)
        let (code, isRetriable) = Self.classify(error)
        self.init(
            code, "\(doing): \(reason)", isRetriable: isRetriable, isFatal: error == RD_KAFKA_RESP_ERR__FATAL)
    }

    private static func classify(_ error: rd_kafka_resp_err_t) -> (Code, isRetriable: Bool) {
        switch error {
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE:
            (.unreachable, true)
        case RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
            (.timedOut, true)
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            (.unknownTopic, true)
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION: (.failed, true)
        case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: (.topicExists, false)
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: (.unsupported, false)
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: (.messageTooLarge, false)
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
            (.denied, false)
        default: (.failed, false)
        }
    }
}

/// librdkafka's own words for the code.
func describe(_ error: rd_kafka_resp_err_t) -> String {
    guard let text = unsafe rd_kafka_err2str(error) else { return "error \(error.rawValue)" }
    return unsafe String(cString: text)
}
