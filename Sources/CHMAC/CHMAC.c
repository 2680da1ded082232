#include "CHMAC.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

int chmac_sha256(const uint8_t *key, size_t keyBytes, const uint8_t *data, size_t bytes, uint8_t *code) {
    unsigned int written = 0;
    return HMAC(EVP_sha256(), key, (int)keyBytes, data, bytes, code, &written) && written == CHMAC_BYTES;
}
