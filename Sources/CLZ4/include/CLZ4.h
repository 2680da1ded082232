// LZ4 blocks (https://lz4.org), from Debian's liblz4-dev, as functions that Swift can call.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Compresses `count` bytes into at most `capacity`; returns how many it took, 0 where they do not fit.
size_t clz4_compress(const void *_Nonnull bytes, size_t count, void *_Nonnull into, size_t capacity);

/// Decompresses into exactly `rawCount` bytes. Returns false, having written nothing beyond them, where the input is no
/// LZ4 block of that size.
_Bool clz4_decompress(const void *_Nonnull bytes, size_t count, void *_Nonnull into, size_t rawCount);
