#define XXH_INLINE_ALL
#include "CXXHash.h"
#include <xxhash.h>

cxxhash_128 cxxhash_xxh3_128(const void *bytes, size_t count) {
    XXH128_hash_t hash = XXH3_128bits(bytes, count);
    return (cxxhash_128){hash.low64, hash.high64};
}

uint64_t cxxhash_xxh3_64(const void *bytes, size_t count, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, count, seed);
}
