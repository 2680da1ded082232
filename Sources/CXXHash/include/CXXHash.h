// XXH3 (https://xxhash.com), from Debian's libxxhash-dev, as functions that Swift can call.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t low;
    uint64_t high;
} cxxhash_128;

/// The 128-bit XXH3 of `count` bytes, seed 0: the same in every process and on every machine.
cxxhash_128 cxxhash_xxh3_128(const void *_Nullable bytes, size_t count);

/// The 64-bit XXH3 of `count` bytes: the same in every process and on every machine.
uint64_t cxxhash_xxh3_64(const void *_Nullable bytes, size_t count, uint64_t seed);
