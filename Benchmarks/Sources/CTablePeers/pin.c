#define _GNU_SOURCE
#include "CTablePeers.h"
#include <pthread.h>
#include <sched.h>

void peer_pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}
