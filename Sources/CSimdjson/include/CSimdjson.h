// The seam to simdjson: reads one JSON object into a flat structure of the fields that a model knows.
//
// This side knows JSON and the names of the fields; which values are legal is decided in Swift (`Decode`).
// Nothing here throws or aborts. A reader is used by one thread at a time. The texts it hands out are UTF-8, unescaped,
// not terminated, and valid until its next read, but not longer than the bytes that were read: they may point into them.

#pragma once

#include <stddef.h>
#include <stdint.h>

// Swift's strict memory safety: of these structures only the pointers are unsafe to use, not the numbers beside them.
#define FAVORITES_SAFE __attribute__((swift_attr("safe")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum __attribute__((enum_extensibility(closed))) FavoritesJSONType : uint8_t {
    /// The object has no such key, or null stands there.
    FavoritesJSONTypeAbsent,
    FavoritesJSONTypeText,
    /// A JSON number without fraction and exponent that fits into 64 bits with sign.
    FavoritesJSONTypeInteger,
    FavoritesJSONTypeList,
    /// An object, a boolean, or a number that is no such integer.
    FavoritesJSONTypeOther,
} FavoritesJSONType;

typedef enum __attribute__((enum_extensibility(closed))) FavoritesJSONResult : uint8_t {
    FavoritesJSONResultRead,
    /// Empty, malformed, or something but white space stands behind the value.
    FavoritesJSONResultMalformed,
    FavoritesJSONResultNotUTF8,
    /// A text with a bad escape, a lone surrogate or a raw control character.
    FavoritesJSONResultBadText,
    FavoritesJSONResultTooDeep,
    FavoritesJSONResultTooLarge,
    FavoritesJSONResultNotObject,
} FavoritesJSONResult;

/// A value of a field. Of a repeated key it is the last.
typedef struct FAVORITES_SAFE {
    /// Of a text; else null.
    const uint8_t *bytes;
    /// Of an integer; else 0.
    int64_t integer;
    /// The bytes of a text or the elements of a list; else 0.
    uint32_t count;
    FavoritesJSONType type;
} FavoritesJSONValue;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, score, periodScores;
    /// Where its period scores begin in `FavoritesJSONEvent.scores`.
    uint32_t scoresStart;
    /// False where the element of the list is no object; all values are absent then.
    uint8_t isObject;
} FavoritesJSONParticipant;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, sport, stageId, scheduledStart, status, participants, period, minute;
    /// As many as `participants.count` says, but none where it is over the reader's limit.
    const FavoritesJSONParticipant *participantList;
    /// The elements of all lists of period scores, one behind the other.
    const FavoritesJSONValue *scores;
} FavoritesJSONEvent;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, sport, name, shortName, abbreviation, regionId, imageUrl;
} FavoritesJSONTeam;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, sport, name, slug, categoryId, seasonId, positionScores, positionTeams;
} FavoritesJSONStage;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, name, startDate, endDate;
} FavoritesJSONSeason;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, name, code;
} FavoritesJSONRegion;

typedef struct FAVORITES_SAFE {
    FavoritesJSONValue id, sport, name, slug, regionId;
} FavoritesJSONCategory;

typedef struct FavoritesJSONReader FavoritesJSONReader;

/// All memory that reading ever takes, for documents of at most `bytesMax`. Null where there is not enough.
FavoritesJSONReader *favorites_json_create(size_t bytesMax, size_t depthMax, size_t participantsMax);
void favorites_json_destroy(FavoritesJSONReader *reader);

// Each fills `out` where it returns `FavoritesJSONResultRead`. Keys that the model does not know are skipped.

FavoritesJSONResult favorites_json_event(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONEvent *out);
FavoritesJSONResult favorites_json_team(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONTeam *out);
FavoritesJSONResult favorites_json_stage(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONStage *out);
FavoritesJSONResult favorites_json_season(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONSeason *out);
FavoritesJSONResult favorites_json_region(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONRegion *out);
FavoritesJSONResult favorites_json_category(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONCategory *out);

#ifdef __cplusplus
}
#endif
