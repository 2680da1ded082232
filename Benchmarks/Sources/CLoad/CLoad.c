#define _GNU_SOURCE
#include "CLoad.h"
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

void load_sleep_until(int64_t nanoseconds) {
    struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int load_stamp_arrivals(int socket) {
    int on = 1;
    return setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

ssize_t load_receive(int socket, uint8_t *bytes, size_t count, int flags, int64_t *arrived) {
    union {
        struct cmsghdr header;
        // More than the stamp needs: what does not fit would be cut off.
        char bytes[128];
    } control;
    struct iovec piece = {bytes, count};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received = recvmsg(socket, &message, flags);
    if (received <= 0) return received;
    *arrived = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec time;
        memcpy(&time, CMSG_DATA(part), sizeof time);
        *arrived = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    }
    return received;
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
