// Counts calls of the allocator by who called it. Preloaded by allocations.sh into a process; the counts stand in the file
// that COUNT_MALLOCS names: for each stack of callers that ever allocated its number of calls and its return addresses,
// innermost first. allocation-callers.py says whose they are.
#define _GNU_SOURCE
#include <execinfo.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    // The shim's own two frames are left out.
    frames_own = 2,
    frames_max = 15,
    // Stacks beyond this are counted in the first entry, which has no addresses.
    stacks_max = 1 << 16,
};

// frames[0] is the hash of the addresses, the rest are the addresses.
struct stack {
    uint64_t calls;
    uint64_t frames[frames_max];
};

static struct stack *stacks;
// `backtrace` allocates when it is first called, and would count itself.
static __thread int is_counting __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void open_counts(void) {
    const char *path = getenv("COUNT_MALLOCS");
    if (!path) return;
    void *frames[4];
    backtrace(frames, 4);
    size_t size = stacks_max * sizeof(struct stack);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, size) != 0) return;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) stacks = memory;
}

// Finds the stack's entry or takes a free one. An entry is free while its hash is 0; whoever sets it owns
// it and fills in the rest. Two stacks of one hash would count as one.
static struct stack *find(void **frames, int count) {
    uint64_t hash = 14695981039346656037u;
    for (int n = 0; n < count; n++) hash = (hash ^ (uint64_t)frames[n]) * 1099511628211u;
    hash |= 1;
    for (uint64_t probe = 0; probe < 64; probe++) {
        struct stack *entry = &stacks[1 + (hash + probe) % (stacks_max - 1)];
        uint64_t seen = 0;
        if (__atomic_compare_exchange_n(&entry->frames[0], &seen, hash, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            for (int n = 0; n < count && n < frames_max - 1; n++) entry->frames[n + 1] = (uint64_t)frames[n];
            return entry;
        }
        if (seen == hash) return entry;
    }
    return &stacks[0];
}

static __attribute__((noinline)) void count(void) {
    if (!stacks || is_counting) return;
    is_counting = 1;
    void *frames[frames_own + frames_max - 1];
    int found = backtrace(frames, frames_own + frames_max - 1) - frames_own;
    if (found > 0) __atomic_fetch_add(&find(frames + frames_own, found)->calls, 1, __ATOMIC_RELAXED);
    is_counting = 0;
}

// glibc's own entry points, so that counting needs no look-up, which itself would allocate.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count();
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

// Not through memalign: the number of own frames is always the same.
void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    count();
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : 12;
}
