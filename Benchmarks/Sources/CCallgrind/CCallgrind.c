#include "CCallgrind.h"

#include <valgrind/callgrind.h>

bool favorites_counts_is_on(void) { return RUNNING_ON_VALGRIND != 0; }

void favorites_counts_begin(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void favorites_counts_end(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
