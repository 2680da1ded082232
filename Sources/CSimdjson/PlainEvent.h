#pragma once

#include <cstddef>
#include <cstdint>

#include "CSimdjson.h"

namespace favorites {

/// Reads an event that is written as almost all are: no white space, printable ASCII without escapes, known keys,
/// integers of at most 18 digits. One pass, nothing copied: texts point into `bytes`. `out` must be zero but for its two
/// lists, which have room for `participantsMax` and for a third of the bytes. False where the message is anything else,
/// valid or not; `out` then means nothing.
bool readPlainEvent(
    const uint8_t *bytes, size_t count, FavoritesJSONEvent &out, FavoritesJSONParticipant *participants,
    size_t participantsMax, FavoritesJSONValue *scores) noexcept;

}  // namespace favorites
