// HMAC-SHA256 of OpenSSL's libcrypto (RFC 2104, RFC 6234).
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CHMAC_BYTES 32

// Writes CHMAC_BYTES bytes to `code`. Returns 0 where the library refuses, as one without SHA-256 would.
int chmac_sha256(const uint8_t *key, size_t keyBytes, const uint8_t *data, size_t bytes, uint8_t *code);
