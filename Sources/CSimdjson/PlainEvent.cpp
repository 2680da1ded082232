// The fast way into an event. What it takes is a subset of JSON, small enough to be read in one pass from left to right;
// all else goes to simdjson, which alone says what is wrong with a message. So nothing here decides that a message is
// invalid, and every message that both can read they read alike (the tests of `Decode` compare them with a third).

#include "PlainEvent.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace {

struct Cursor {
    const uint8_t *at;
    const uint8_t *end;

    bool take(uint8_t byte) noexcept {
        if (at == end || *at != byte) return false;
        at++;
        return true;
    }

    /// The inside of a string whose opening quotation mark was taken; takes the closing one.
    bool text(FavoritesJSONValue &value) noexcept {
        const uint8_t *start = at;
        if (!skipPlain()) return false;
        value.bytes = start;
        value.integer = 0;
        value.count = static_cast<uint32_t>(at - start);
        value.type = FavoritesJSONTypeText;
        at++;
        return true;
    }

    /// To the next quotation mark; false where something that is not plain, or the end, comes before.
    bool skipPlain() noexcept {
#if defined(__SSE2__)
        while (end - at >= 16) {
            __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i *>(at));
            unsigned quotes = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('"'))));
            // Signed: bytes from 0x80 on are below 0x20 too.
            unsigned others = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
                _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')), _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)))));
            if (quotes != 0) {
                unsigned place = static_cast<unsigned>(__builtin_ctz(quotes));
                at += place;
                return (others & ((1u << place) - 1)) == 0;
            }
            if (others != 0) return false;
            at += 16;
        }
#endif
        for (; at < end; at++) {
            if (*at == '"') return true;
            if (*at == '\\' || *at < 0x20 || *at >= 0x80) return false;
        }
        return false;
    }

    bool integer(FavoritesJSONValue &value) noexcept {
        bool isNegative = take('-');
        const uint8_t *start = at;
        int64_t number = 0;
        // A number that goes on behind 18 digits, with a fraction or with an exponent is none of ours: what must follow
        // is a comma or a brace.
        while (at < end && at - start < 18 && *at >= '0' && *at <= '9') number = number * 10 + (*at++ - '0');
        if (at == start || (at - start > 1 && *start == '0')) return false;
        value.bytes = nullptr;
        value.integer = isNegative ? -number : number;
        value.count = 0;
        value.type = FavoritesJSONTypeInteger;
        return true;
    }
};

template <size_t length>
bool equals(const FavoritesJSONValue &key, const char (&name)[length]) noexcept {
    return key.count == length - 1 && std::memcmp(key.bytes, name, length - 1) == 0;
}

/// A key with its colon.
bool takeKey(Cursor &cursor, FavoritesJSONValue &key) noexcept {
    return cursor.take('"') && cursor.text(key) && cursor.take(':');
}

bool readText(Cursor &cursor, FavoritesJSONValue &value) noexcept { return cursor.take('"') && cursor.text(value); }

bool readScores(
    Cursor &cursor, FavoritesJSONParticipant &out, FavoritesJSONValue *scores, uint32_t &scoresCount
) noexcept {
    if (!cursor.take('[')) return false;
    uint32_t start = scoresCount;
    if (!cursor.take(']')) {
        do {
            if (!readText(cursor, scores[scoresCount])) return false;
            scoresCount++;
        } while (cursor.take(','));
        if (!cursor.take(']')) return false;
    }
    out.periodScores = {nullptr, 0, scoresCount - start, FavoritesJSONTypeList};
    return true;
}

bool readParticipant(
    Cursor &cursor, FavoritesJSONParticipant &out, FavoritesJSONValue *scores, uint32_t &scoresCount
) noexcept {
    out = {};
    out.isObject = 1;
    out.scoresStart = scoresCount;
    if (!cursor.take('{')) return false;
    do {
        FavoritesJSONValue key;
        if (!takeKey(cursor, key)) return false;
        if (equals(key, "id")) {
            if (!readText(cursor, out.id)) return false;
        } else if (equals(key, "score")) {
            if (!readText(cursor, out.score)) return false;
        } else if (equals(key, "periodScores") && out.periodScores.type == FavoritesJSONTypeAbsent) {
            if (!readScores(cursor, out, scores, scoresCount)) return false;
        } else {
            return false;
        }
    } while (cursor.take(','));
    return cursor.take('}');
}

struct Lists {
    FavoritesJSONParticipant *participants;
    size_t participantsMax;
    FavoritesJSONValue *scores;
};

bool readParticipants(Cursor &cursor, FavoritesJSONEvent &out, const Lists &lists) noexcept {
    if (!cursor.take('[')) return false;
    uint32_t count = 0;
    uint32_t scoresCount = 0;
    do {
        if (count == lists.participantsMax) return false;
        if (!readParticipant(cursor, lists.participants[count], lists.scores, scoresCount)) return false;
        count++;
    } while (cursor.take(','));
    out.participants = {nullptr, 0, count, FavoritesJSONTypeList};
    return cursor.take(']');
}

bool readField(Cursor &cursor, FavoritesJSONEvent &out, const Lists &lists) noexcept {
    FavoritesJSONValue key;
    if (!takeKey(cursor, key)) return false;
    switch (key.count) {
    case 2:
        return equals(key, "id") && readText(cursor, out.id);
    case 5:
        return equals(key, "sport") && readText(cursor, out.sport);
    case 6:
        if (equals(key, "status")) return readText(cursor, out.status);
        if (equals(key, "period")) return readText(cursor, out.period);
        return equals(key, "minute") && cursor.integer(out.minute);
    case 7:
        return equals(key, "stageId") && readText(cursor, out.stageId);
    case 12:
        // Of two lists the last wins, and the first one's scores would stand before its own.
        return equals(key, "participants") && out.participants.type == FavoritesJSONTypeAbsent &&
            readParticipants(cursor, out, lists);
    case 14:
        return equals(key, "scheduledStart") && readText(cursor, out.scheduledStart);
    default:
        return false;
    }
}

}  // namespace

bool favorites::readPlainEvent(
    const uint8_t *bytes, size_t count, FavoritesJSONEvent &out, FavoritesJSONParticipant *participants,
    size_t participantsMax, FavoritesJSONValue *scores
) noexcept {
    Cursor cursor{bytes, bytes + count};
    Lists lists{participants, participantsMax, scores};
    if (!cursor.take('{')) return false;
    do {
        if (!readField(cursor, out, lists)) return false;
    } while (cursor.take(','));
    return cursor.take('}') && cursor.at == cursor.end;
}
