#include "NarrowNumbers.h"

#include <cstddef>
#include <cstring>

namespace {

/// Skips a JSON number at `byte`; null where none stands there. `isWide` says that it has a fraction or an exponent
/// or does not fit into 64 bits with sign.
uint8_t *skipNumber(uint8_t *byte, const uint8_t *end, bool &isWide) noexcept {
    auto isDigit = [end](const uint8_t *at) { return at < end && *at >= '0' && *at <= '9'; };
    bool isNegative = byte < end && *byte == '-';
    if (isNegative) byte++;
    if (!isDigit(byte)) return nullptr;
    if (*byte == '0' && isDigit(byte + 1)) return nullptr;
    uint64_t magnitude = 0;
    uint64_t magnitudeMax = static_cast<uint64_t>(INT64_MAX) + (isNegative ? 1 : 0);
    isWide = false;
    for (; isDigit(byte); byte++) {
        uint64_t digit = *byte - '0';
        isWide = isWide || magnitude > (magnitudeMax - digit) / 10;
        magnitude = isWide ? 0 : magnitude * 10 + digit;
    }
    if (byte < end && *byte == '.') {
        isWide = true;
        if (!isDigit(++byte)) return nullptr;
        while (isDigit(byte)) byte++;
    }
    if (byte < end && (*byte | 0x20) == 'e') {
        isWide = true;
        byte++;
        if (byte < end && (*byte == '+' || *byte == '-')) byte++;
        if (!isDigit(byte)) return nullptr;
        while (isDigit(byte)) byte++;
    }
    // `1e400e5` must not become `0.000e5`, which is a number, nor `-1-5e3` become `-10.00`.
    bool isAtEnd = byte == end || *byte == ',' || *byte == ']' || *byte == '}' || *byte == ' ' || *byte == '\t' ||
        *byte == '\n' || *byte == '\r';
    return isAtEnd ? byte : nullptr;
}

}  // namespace

void favorites::narrowNumbers(uint8_t *byte, const uint8_t *end) noexcept {
    while (byte < end) {
        if (*byte == '"') {
            for (byte++; byte < end && *byte != '"'; byte++) {
                if (*byte == '\\') byte++;
            }
            byte++;
        } else if (*byte == '-' || (*byte >= '0' && *byte <= '9')) {
            bool isWide = false;
            uint8_t *next = skipNumber(byte, end, isWide);
            if (next == nullptr) return;  // Malformed, which the second parse says.
            if (isWide) {
                std::memset(byte, '0', static_cast<size_t>(next - byte));
                byte[1] = '.';
            }
            byte = next;
        } else {
            byte++;
        }
    }
}
