#define _GNU_SOURCE
#include "CLoad.h"
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

int load_watch(int epoll, int socket, uint32_t index, uint32_t events, int is_new) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u32 = index;
    return epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
}

int load_wait(int epoll, struct epoll_event *events, int max, int64_t nanoseconds) {
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return epoll_pwait2(epoll, events, max, &timeout, NULL);
}

void load_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1); }

int64_t load_gunzip(const uint8_t *packed, size_t count, uint8_t *plain, size_t max) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    // 16 more than the window's bits: a gzip header and nothing else.
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return -1;
    stream.next_in = (Bytef *)packed;
    stream.avail_in = (uInt)count;
    stream.next_out = plain;
    stream.avail_out = (uInt)max;
    int code = inflate(&stream, Z_FINISH);
    int64_t written = (int64_t)(max - stream.avail_out);
    // Bytes behind the end belong to no body.
    int is_whole = code == Z_STREAM_END && stream.avail_in == 0;
    inflateEnd(&stream);
    return is_whole ? written : -1;
}
