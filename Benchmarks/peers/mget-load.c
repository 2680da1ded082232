// Asks a Redis for many values a command, many commands in flight, and counts the values that come: what gives Redis its
// best. A reply is scanned, not stored.
//
//     mget-load PORT CONNECTIONS DEPTH SECONDS FILE
//
// FILE: one request a line, keys with commas between. Each connection has DEPTH commands in flight and sends DEPTH more,
// in one write, when all of them are answered. Prints: values a second, commands a second, bytes of all values.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { requests_max = 65536, connections_max = 1024, input_bytes = 1 << 18 };

static void fail(const char *what) {
    fprintf(stderr, "mget-load: %s: %s\n", what, errno ? strerror(errno) : "not what was expected");
    exit(1);
}

struct request {
    char *bytes;
    size_t count;
};

static struct request requests[requests_max];
static size_t requests_count;

static void read_requests(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, file)) > 0 && requests_count < requests_max) {
        size_t keys = 1;
        line[strcspn(line, "\n")] = 0;
        for (char *at = line; *at; at++) keys += *at == ',';
        char *out = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&out, &size);
        if (!memory) fail("memory");
        fprintf(memory, "*%zu\r\n$4\r\nMGET\r\n", keys + 1);
        for (char *key = strtok(line, ","); key; key = strtok(NULL, ",")) fprintf(memory, "$%zu\r\n%s\r\n", strlen(key), key);
        fclose(memory);
        requests[requests_count++] = (struct request){ out, size };
    }
    fclose(file);
    if (!requests_count) fail(path);
}

// Where a connection stands in its replies.
struct connection {
    int socket;
    size_t next;        // the request to send next
    size_t in_flight;   // commands not yet answered
    size_t values_left; // values of the current reply that are not begun
    size_t skip;        // bytes of a value, with its line end, still to come
    char line[32];      // a line that is not complete yet
    size_t line_count;
};

static unsigned long long values, commands, value_bytes;
static struct connection connections[connections_max];
static char input[input_bytes];

static void send_batch(struct connection *c, size_t depth) {
    static char batch[1 << 20];
    size_t count = 0;
    for (size_t n = 0; n < depth; n++) {
        struct request *r = &requests[c->next++ % requests_count];
        if (count + r->count > sizeof batch) fail("a batch of requests is too large; lower DEPTH");
        memcpy(batch + count, r->bytes, r->count);
        count += r->count;
    }
    for (size_t sent = 0; sent < count;) {
        ssize_t done = send(c->socket, batch + sent, count - sent, 0);
        if (done < 0) fail("send");
        sent += done;
    }
    c->in_flight += depth;
}

static void take_line(struct connection *c) {
    long number = atol(c->line + 1);
    if (c->line[0] == '*' && c->values_left == 0) {
        c->values_left = number;
    } else if (c->line[0] == '$' && c->values_left > 0) {
        c->values_left--;
        if (number >= 0) {
            values++;
            value_bytes += number;
            c->skip = number + 2;
        }
        if (c->values_left == 0) {
            commands++;
            c->in_flight--;
        }
    } else {
        errno = 0;
        fail(c->line);
    }
}

static void take(struct connection *c, size_t count) {
    char *at = input, *end = input + count;
    while (at < end) {
        if (c->skip) {
            size_t part = (size_t)(end - at) < c->skip ? (size_t)(end - at) : c->skip;
            c->skip -= part;
            at += part;
            continue;
        }
        char byte = *at++;
        if (byte == '\n') {
            c->line[c->line_count] = 0;
            c->line_count = 0;
            take_line(c);
        } else if (byte != '\r') {
            if (c->line_count + 1 == sizeof c->line) fail("a line is too long");
            c->line[c->line_count++] = byte;
        }
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: mget-load PORT CONNECTIONS DEPTH SECONDS FILE\n");
        return 64;
    }
    size_t sockets = atoi(arguments[2]), depth = atoi(arguments[3]);
    double seconds = atof(arguments[4]);
    if (sockets < 1 || sockets > connections_max || depth < 1) fail("CONNECTIONS or DEPTH");
    read_requests(arguments[5]);
    int poll = epoll_create1(0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t n = 0; n < sockets; n++) {
        struct connection *c = &connections[n];
        c->socket = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->socket, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &event);
        c->next = n * requests_count / sockets;
        send_batch(c, depth);
    }
    double began = now(), ended;
    while ((ended = now()) - began < seconds) {
        struct epoll_event ready[64];
        int found = epoll_wait(poll, ready, 64, 1000);
        for (int n = 0; n < found; n++) {
            struct connection *c = ready[n].data.ptr;
            ssize_t got = recv(c->socket, input, sizeof input, 0);
            if (got <= 0) fail("recv");
            take(c, got);
            if (c->in_flight == 0) send_batch(c, depth);
        }
    }
    printf("%.0f %.0f %llu\n", values / (ended - began), commands / (ended - began), value_bytes);
    return 0;
}
