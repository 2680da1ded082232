#include "CLZ4.h"
#include <limits.h>
#include <lz4.h>

size_t clz4_compress(const void *bytes, size_t count, void *into, size_t capacity) {
    if (count > LZ4_MAX_INPUT_SIZE || capacity > INT_MAX) return 0;
    int taken = LZ4_compress_default(bytes, into, (int)count, (int)capacity);
    return taken > 0 ? (size_t)taken : 0;
}

_Bool clz4_decompress(const void *bytes, size_t count, void *into, size_t rawCount) {
    if (count > INT_MAX || rawCount > INT_MAX) return 0;
    return LZ4_decompress_safe(bytes, into, (int)count, (int)rawCount) == (int)rawCount;
}
