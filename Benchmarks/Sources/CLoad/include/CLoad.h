// What the load generator takes from Linux and zlib, where Swift's Glibc leaves it out.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <zlib.h>

// Starts or changes the watch over a socket; `index` comes back with its events.
int load_watch(int epoll, int socket, uint32_t index, uint32_t events, int is_new);
// Waits for events for so many nanoseconds; epoll_wait alone counts in milliseconds, which is 100 requests too late.
int load_wait(int epoll, struct epoll_event *events, int max, int64_t nanoseconds);
static inline uint32_t load_index(const struct epoll_event *event) { return event->data.u32; }
// The thread's timers fire when asked, not up to 50 microseconds later.
void load_exact_timers(void);
// Unpacks a gzip body. Returns the bytes written, or -1 where it is no gzip, is cut off, or exceeds `max`.
int64_t load_gunzip(const uint8_t *packed, size_t count, uint8_t *plain, size_t max);
