// How long a message takes from `produce` until a router's answer shows it, and until a bare librdkafka consumer in this
// process has it.
//
//     visibility PORT PROBES PATH KEY VALUE NAME=VALUE…
//
// PATH is the answer's path; KEY and VALUE are the event's, in VALUE `%` stands for the score, which is another one in
// each probe; then librdkafka's options, the same that the node has. The consumer reads all partitions of the six
// topics, as the node does. One probe after the other, 2 to 12 ms apart. Prints for each probe the microseconds until it
// was visible and until it was consumed.
#include <arpa/inet.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch_max = 1000, wait_ms = 10, ask_ms = 5000, give_up_us = 5000000 };

static const char *const topics[] = {
    "favorites-api-events", "favorites-api-participants", "favorites-api-stages", "favorites-api-seasons",
    "favorites-api-regions", "favorites-api-categories",
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "visibility: %s: %s\n", what, why);
    exit(1);
}

static long now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static rd_kafka_t *client(rd_kafka_type_t type, int count, char **options) {
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (int index = 0; index < count; index++) {
        char text[512];
        snprintf(text, sizeof text, "%s", options[index]);
        char *equals = strchr(text, '=');
        if (!equals) fail(text, "is not NAME=VALUE");
        *equals = 0;
        if (rd_kafka_conf_set(conf, text, equals + 1, why, sizeof why)) fail(text, why);
    }
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof why);
    if (!made) fail("a client", why);
    return made;
}

// What the consumer looks for, and when it had it.
static char wanted[64];
static pthread_mutex_t wanted_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_long consumed_us;
static atomic_int started;

static rd_kafka_t *consumer;

static void *consume(void *unused) {
    (void)unused;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    for (size_t index = 0; index < sizeof topics / sizeof *topics; index++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, topics[index], NULL);
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t error = rd_kafka_metadata(consumer, 0, topic, &metadata, ask_ms);
        if (error) fail(topics[index], rd_kafka_err2str(error));
        for (int partition = 0; partition < metadata->topics[0].partition_cnt; partition++) {
            int64_t low, high;
            if (rd_kafka_query_watermark_offsets(consumer, topics[index], partition, &low, &high, ask_ms))
                fail(topics[index], "no watermarks");
            rd_kafka_consume_start_queue(topic, partition, high, queue);
        }
        rd_kafka_metadata_destroy(metadata);
    }
    atomic_store(&started, 1);
    static rd_kafka_message_t *batch[batch_max];
    for (;;) {
        rd_kafka_poll(consumer, 0);
        ssize_t taken = rd_kafka_consume_batch_queue(queue, 0, batch, batch_max);
        if (taken <= 0) {
            batch[0] = rd_kafka_consume_queue(queue, wait_ms);
            if (!batch[0]) continue;
            taken = 1;
        }
        for (ssize_t index = 0; index < taken; index++) {
            rd_kafka_message_t *message = batch[index];
            if (!message->err && message->payload) {
                pthread_mutex_lock(&wanted_lock);
                if (*wanted && memmem(message->payload, message->len, wanted, strlen(wanted)))
                    atomic_store(&consumed_us, now_us());
                pthread_mutex_unlock(&wanted_lock);
            }
            rd_kafka_message_destroy(message);
        }
    }
    return NULL;
}

static int link_to(int port) {
    int one = 1, link = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(link, (struct sockaddr *)&address, sizeof address)) fail("the router", "does not answer");
    setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return link;
}

/// One GET; whether the answer's body has `text`.
static int shows(int link, const char *request, const char *text) {
    static char answer[65536];
    size_t used = 0, whole = 0;
    if (write(link, request, strlen(request)) != (ssize_t)strlen(request)) fail("the router", "closed");
    while (whole == 0 || used < whole) {
        ssize_t got = read(link, answer + used, sizeof answer - 1 - used);
        if (got <= 0) fail("the router", "closed, or its answer is too large");
        used += (size_t)got;
        answer[used] = 0;
        char *body = strstr(answer, "\r\n\r\n");
        if (!body || whole) continue;
        char *length = strcasestr(answer, "content-length:");
        if (!length || length > body) fail("the router", "no Content-Length");
        whole = (size_t)(body + 4 - answer) + strtoul(length + 15, NULL, 10);
    }
    if (strncmp(answer, "HTTP/1.1 200", 12)) fail("the router", answer);
    return strstr(answer, text) != NULL;
}

int main(int count, char **arguments) {
    if (count < 6) fail("usage", "visibility PORT PROBES PATH KEY VALUE NAME=VALUE...");
    int probes = atoi(arguments[2]);
    const char *key = arguments[4], *value = arguments[5], *place = strchr(value, '%');
    if (!place) fail("VALUE", "has no %");
    consumer = client(RD_KAFKA_CONSUMER, count - 6, arguments + 6);
    // Of the options a producer only needs the address; it sends at once.
    char *producing[] = {arguments[6], "linger.ms=0", "enable.idempotence=false"};
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, 3, producing);
    rd_kafka_topic_conf_t *how = rd_kafka_topic_conf_new();
    char why[512];
    if (rd_kafka_topic_conf_set(how, "partitioner", "murmur2_random", why, sizeof why)) fail("partitioner", why);
    rd_kafka_topic_t *events = rd_kafka_topic_new(producer, topics[0], how);
    pthread_t thread;
    if (pthread_create(&thread, NULL, consume, NULL)) fail("a thread", "cannot be made");
    while (!atomic_load(&started)) usleep(1000);
    int link = link_to(atoi(arguments[1]));
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", arguments[3]);
    srand(1);
    for (int probe = -20; probe < probes; probe++) {  // The first ones warm up.
        char message[4096], text[64];
        snprintf(text, sizeof text, "probe-%d", probe + 1000000);
        int length = snprintf(message, sizeof message, "%.*s%s%s", (int)(place - value), value, text, place + 1);
        pthread_mutex_lock(&wanted_lock);
        strcpy(wanted, text);
        atomic_store(&consumed_us, 0);
        pthread_mutex_unlock(&wanted_lock);
        long began = now_us(), visible = 0;
        if (rd_kafka_produce(
                events, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, message, (size_t)length, key, strlen(key), NULL))
            fail("producing", rd_kafka_err2str(rd_kafka_last_error()));
        while (!visible || !atomic_load(&consumed_us)) {
            if (!visible && shows(link, request, text)) visible = now_us();
            if (visible) usleep(50);
            if (now_us() - began > give_up_us) fail(text, visible ? "was not consumed" : "was not shown");
        }
        rd_kafka_poll(producer, 0);
        if (probe >= 0) printf("%ld %ld\n", visible - began, atomic_load(&consumed_us) - began);
        usleep((useconds_t)(2000 + rand() % 10000));
    }
    fflush(stdout);
    // Ending in order takes seconds and shows nothing.
    _Exit(0);
}
