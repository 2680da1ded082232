// What the peers share.
#pragma once
#include "CTablePeers.h"
#include <string.h>

/// The JSON's room in a node: our records have about that much.
enum { peer_json_max = 480 };

static inline uint64_t peer_hash(const peer_id *id) { return id->hash; }

static inline int peer_same(const peer_id *left, const peer_id *right) {
    return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0;
}

/// What a look-up reads of its record.
static inline uint64_t peer_touch(int64_t start, const char *json) {
    uint64_t word;
    memcpy(&word, json, sizeof word);
    return (uint64_t)start + word;
}
