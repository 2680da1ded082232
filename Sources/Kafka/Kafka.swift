// Kafka: the only module that speaks librdkafka, and in it only the folder RDKafka does.
//
//     KafkaRecordSource ── the six topics, for ingest ─┐
//     (membership) ────── the control topic ───────────┴─► KafkaConsumer ─┐
//     KafkaProducer   heartbeats, `publish`, `simulate` ──────────────────┤
//     KafkaAdmin      topics: create, count, describe ────────────────────┼─► RDKafkaClient ─► librdkafka
//     MockBroker      `favorites broker`, tests ──────────────────────────┘
//
// Threads: every class here is used by one thread at a time, the one that made it or was handed it. librdkafka has
// threads of its own (one for each broker connection and one main); of our code they run nothing but the log
// trampoline, which ends in `RDKafkaLog` behind a lock. All other callbacks run inside our own `poll` and `flush`.
//
// No consumer group is ever joined: placement is ours, so a rebalance can never stop reads.

/// How long a question to the brokers (metadata, bounds) may block its thread. The first one includes connecting.
let requestTimeoutMs: Int32 = 3_000
