#pragma once

#include <cstdint>

namespace favorites {

/// simdjson refuses a whole document for one number beyond what it can hold, such as 1e400 or 2^64, but such a
/// number is legal JSON and harmless in a field that is ignored. This writes a zero with a fraction, just as long,
/// over each number that is no 64-bit integer: such a number is refused all the same where an integer is wanted.
void narrowNumbers(uint8_t *byte, const uint8_t *end) noexcept;

}  // namespace favorites
