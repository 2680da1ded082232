#define _GNU_SOURCE
#include "CMemory.h"
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif

void *cmemory_map(size_t bytes, size_t alignment, bool huge) {
    char *base = mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    // What stands before and behind the aligned part goes back. It is never empty on both sides.
    size_t before = -(uintptr_t)base & (alignment - 1);
    if (before > 0) munmap(base, before);
    munmap(base + before + bytes, alignment - before);
    // A wish: where it is not granted, the pages are small.
    if (huge) madvise(base + before, bytes, MADV_HUGEPAGE);
    return base + before;
}

void cmemory_unmap(void *base, size_t bytes) {
    // The sanitizer would go on taking the addresses for poisoned.
    cmemory_unpoison(base, bytes);
    munmap(base, bytes);
}

void cmemory_trim(void) { malloc_trim(0); }

void cmemory_poison(const void *base, size_t bytes) {
#ifdef ASAN_POISON_MEMORY_REGION
    ASAN_POISON_MEMORY_REGION(base, bytes);
#else
    (void)base, (void)bytes;
#endif
}

void cmemory_unpoison(const void *base, size_t bytes) {
#ifdef ASAN_POISON_MEMORY_REGION
    ASAN_UNPOISON_MEMORY_REGION(base, bytes);
#else
    (void)base, (void)bytes;
#endif
}
