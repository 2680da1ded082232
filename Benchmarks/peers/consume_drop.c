// The peer of ingest: a bare librdkafka consumer that takes the six topics by the batch call and drops every message.
//
//     consume_drop NAME=VALUE…    librdkafka's options, bootstrap.servers among them
//
// It reads as a node does: first the five global topics from their starts to the ends they had, then the events, all
// partitions forwarded into one queue, batches of 1000, and a wait of 10 ms for a first message where none is there.
// Prints one line: messages, bytes, ms from the first message to the last of each of the two phases, ms that this
// thread and the whole process ran meanwhile.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { batch_max = 1000, wait_ms = 10, ask_ms = 5000, partitions_max = 512, topics_max = 6 };

static const char *const events = "favorites-api-events";
static const char *const globals[] = {
    "favorites-api-participants", "favorites-api-stages", "favorites-api-seasons", "favorites-api-regions",
    "favorites-api-categories",
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "consume_drop: %s: %s\n", what, why);
    exit(1);
}

static double clock_ms(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

typedef struct {
    long messages, bytes;
    double ms, thread_ms, process_ms;
} result;

/// One phase: the topics' partitions, from their starts to the ends they have now.
static void consume(rd_kafka_t *client, const char *const *names, int topics, result *sum) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_topic_t *handles[topics_max];
    int counts[topics_max];
    long left = 0;
    for (int index = 0; index < topics; index++) {
        handles[index] = rd_kafka_topic_new(client, names[index], NULL);
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handles[index], &metadata, ask_ms);
        if (error) fail(names[index], rd_kafka_err2str(error));
        counts[index] = metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
        for (int partition = 0; partition < counts[index]; partition++) {
            int64_t low, high;
            error = rd_kafka_query_watermark_offsets(client, names[index], partition, &low, &high, ask_ms);
            if (error) fail(names[index], rd_kafka_err2str(error));
            left += high - low;
        }
    }
    for (int index = 0; index < topics; index++) {
        for (int partition = 0; partition < counts[index]; partition++) {
            if (rd_kafka_consume_start_queue(handles[index], partition, RD_KAFKA_OFFSET_BEGINNING, queue))
                fail(names[index], rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    double began = 0, thread_began = 0, process_began = 0;
    static rd_kafka_message_t *batch[batch_max];
    while (left > 0) {
        rd_kafka_poll(client, 0);
        ssize_t taken = rd_kafka_consume_batch_queue(queue, 0, batch, batch_max);
        if (taken <= 0) {
            batch[0] = rd_kafka_consume_queue(queue, wait_ms);
            if (!batch[0]) continue;
            taken = 1;
        }
        for (ssize_t index = 0; index < taken; index++) {
            rd_kafka_message_t *message = batch[index];
            if (!message->err) {
                if (began == 0) {
                    began = clock_ms(CLOCK_MONOTONIC);
                    thread_began = clock_ms(CLOCK_THREAD_CPUTIME_ID);
                    process_began = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
                }
                left--;
                sum->messages++;
                sum->bytes += (long)(message->len + message->key_len);
            } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                fail("consuming", rd_kafka_message_errstr(message));
            }
            rd_kafka_message_destroy(message);
        }
    }
    if (began != 0) {
        sum->ms += clock_ms(CLOCK_MONOTONIC) - began;
        sum->thread_ms += clock_ms(CLOCK_THREAD_CPUTIME_ID) - thread_began;
        sum->process_ms += clock_ms(CLOCK_PROCESS_CPUTIME_ID) - process_began;
    }
    for (int index = 0; index < topics; index++) {
        for (int partition = 0; partition < counts[index]; partition++) rd_kafka_consume_stop(handles[index], partition);
        rd_kafka_topic_destroy(handles[index]);
    }
    rd_kafka_queue_destroy(queue);
}

int main(int count, char **arguments) {
    rd_kafka_conf_t *options = rd_kafka_conf_new();
    char why[512];
    for (int index = 1; index < count; index++) {
        char *equals = strchr(arguments[index], '=');
        if (!equals) fail(arguments[index], "is not NAME=VALUE");
        *equals = 0;
        if (rd_kafka_conf_set(options, arguments[index], equals + 1, why, sizeof why)) fail(arguments[index], why);
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, options, why, sizeof why);
    if (!client) fail("a client", why);
    result sum = {0};
    consume(client, globals, sizeof globals / sizeof *globals, &sum);
    consume(client, &events, 1, &sum);
    printf("%ld %ld %.0f %.0f %.0f\n", sum.messages, sum.bytes, sum.ms, sum.thread_ms, sum.process_ms);
    fflush(stdout);
    // Ending in order takes seconds and shows nothing.
    _Exit(0);
}
