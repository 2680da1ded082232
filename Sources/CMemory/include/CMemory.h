// What Swift has no word for: memory pages from the system, prefetching, comparing a cache line at once, and telling
// the address sanitizer.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// `bytes` of zeroed memory, a multiple of the page size, at a multiple of `alignment`, a power of two and such a
/// multiple too. `huge` asks for huge pages. NULL where the system has none.
void *_Nullable cmemory_map(size_t bytes, size_t alignment, bool huge);

/// Gives it back.
void cmemory_unmap(void *_Nonnull base, size_t bytes);

/// Gives back what malloc keeps of memory that was freed. Takes milliseconds.
void cmemory_trim(void);

/// From now on an access is a bug, until it is unpoisoned. Both do nothing but under the address sanitizer.
void cmemory_poison(const void *_Nonnull base, size_t bytes);
void cmemory_unpoison(const void *_Nonnull base, size_t bytes);

/// Begins to load the cache line of an address, which may be any.
static inline void cmemory_prefetch(const void *_Nullable address) { __builtin_prefetch(address, 0, 3); }

/// Which of a line's eight words have `tag` in their low half: one bit each. The line is 64 bytes at a multiple of 64.
/// Another thread may change it meanwhile, which the thread sanitizer must not mind: each tag is read whole, being an
/// aligned half word, and who finds one loads the word itself, atomically, before believing it.
__attribute__((no_sanitize("thread"))) static inline uint32_t cmemory_match(const void *_Nonnull line, uint32_t tag) {
#if defined(__SSE2__)
    const __m128 *pairs = (const __m128 *)line;
    const __m128i wanted = _mm_set1_epi32((int)tag);
    __m128i first = _mm_castps_si128(_mm_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(2, 0, 2, 0)));
    __m128i last = _mm_castps_si128(_mm_shuffle_ps(pairs[2], pairs[3], _MM_SHUFFLE(2, 0, 2, 0)));
    __m128i equal = _mm_packs_epi32(_mm_cmpeq_epi32(first, wanted), _mm_cmpeq_epi32(last, wanted));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
#else
    const uint64_t *words = (const uint64_t *)line;
    uint32_t matches = 0;
    for (int index = 0; index < 8; index++)
        matches |= (uint32_t)((uint32_t)__atomic_load_n(&words[index], __ATOMIC_RELAXED) == tag) << index;
    return matches;
#endif
}
