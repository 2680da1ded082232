// What the load generator takes from Linux and zlib, where Swift's Glibc leaves it out.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <zlib.h>

// Starts or changes the watch over a socket; `index` comes back with its events.
int load_watch(int epoll, int socket, uint32_t index, uint32_t events, int is_new);
// Waits for events for so many nanoseconds; epoll_wait alone counts in milliseconds, which is 100 requests too late.
int load_wait(int epoll, struct epoll_event *events, int max, int64_t nanoseconds);
static inline uint32_t load_index(const struct epoll_event *event) { return event->data.u32; }
// Waits until an instant of the monotonic clock, whatever comes meanwhile.
void load_sleep_until(int64_t nanoseconds);
// Has the kernel note when bytes come for the socket.
int load_stamp_arrivals(int socket);
// `recv`, which where it received something says when the last of it came, by the realtime clock; 0 where the kernel did
// not note it.
ssize_t load_receive(int socket, uint8_t *bytes, size_t count, int flags, int64_t *arrived);
// The thread's timers fire when asked, not up to 50 microseconds later.
void load_exact_timers(void);
// Unpacks a gzip body. Returns the bytes written, or -1 where it is no gzip, is cut off, or exceeds `max`.
int64_t load_gunzip(const uint8_t *packed, size_t count, uint8_t *plain, size_t max);
