// The tables that ours is measured beside, each used as its documentation advises, behind the same few functions:
//
//   qsbr, memb   liburcu's lock-free `cds_lfht`, in two of its flavours
//   tbb          oneTBB's `concurrent_hash_map`
//   std          `std::unordered_map` under a `std::shared_mutex`
//
// Every one holds id → record, both in its node. An id brings its hash along, as ours does: both are made once, where
// an id is taken out of a request. A look-up compares the id and reads the record's start and the first bytes of its
// JSON. `peer_read` does `count` of them, each for 16 under one guard where
// the table has such a thing, and returns the sum of what it read; `found` counts.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t hash;
    uint8_t length;
    char bytes[31];
} peer_id;

/// Sets the hash (XXH3) of the bytes.
void peer_set_hash(peer_id *_Nonnull id);

/// Look-ups under one guard: an ordinary request's.
enum { peer_guard_ids = 16 };

typedef struct peer_table peer_table;

/// How a table is used. `enter` and `leave` are called by each thread that reads or writes.
typedef struct {
    const char *_Nonnull name;
    peer_table *_Nullable (*_Nonnull make)(size_t records);
    void (*_Nonnull enter)(void);
    void (*_Nonnull leave)(void);
    /// Adds the record, or puts it in the place of the one that is there.
    void (*_Nonnull put)(peer_table *_Nonnull table, const peer_id *_Nonnull id, int64_t start,
                         const char *_Nonnull json, size_t length);
    uint64_t (*_Nonnull read)(peer_table *_Nonnull table, const peer_id *_Nonnull ids, size_t count,
                              size_t *_Nonnull found);
} peer_kind;

extern const peer_kind peer_qsbr, peer_memb, peer_tbb, peer_std;

/// Keeps the calling thread on one processor.
void peer_pin(int processor);

#ifdef __cplusplus
}
#endif
