// What Swift has no word for: memory pages from the system, prefetching, and telling the address sanitizer.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// `bytes` of zeroed memory, a multiple of the page size, at a multiple of `alignment`, a power of two and such a
/// multiple too. `huge` asks for huge pages. NULL where the system has none.
void *_Nullable cmemory_map(size_t bytes, size_t alignment, bool huge);

/// Gives it back.
void cmemory_unmap(void *_Nonnull base, size_t bytes);

/// From now on an access is a bug, until it is unpoisoned. Both do nothing but under the address sanitizer.
void cmemory_poison(const void *_Nonnull base, size_t bytes);
void cmemory_unpoison(const void *_Nonnull base, size_t bytes);

/// Begins to load the cache line of an address, which may be any.
static inline void cmemory_prefetch(const void *_Nullable address) { __builtin_prefetch(address, 0, 3); }
