#define XXH_INLINE_ALL
#include "CTablePeers.h"
#include <xxhash.h>

void peer_set_hash(peer_id *id) { id->hash = XXH3_64bits(id->bytes, id->length); }
