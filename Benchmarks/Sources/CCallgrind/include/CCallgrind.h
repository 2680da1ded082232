// Callgrind's client requests: what is counted, and under which name. Outside of valgrind they do nothing.
#pragma once

#include <stdbool.h>

bool favorites_counts_is_on(void);
/// Counts from here, from zero.
void favorites_counts_begin(void);
/// Counts to here, and writes what was counted down under `name`.
void favorites_counts_end(const char *name);
