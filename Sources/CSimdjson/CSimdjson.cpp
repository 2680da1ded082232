// simdjson's DOM, not its On-Demand half: the DOM checks the whole document before it hands out the first field,
// so a broken byte in a field that nobody asks for is found too.

// Takes the accessors that throw out of the header.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "CSimdjson.h"
#include "NarrowNumbers.h"
#include "PlainEvent.h"

using simdjson::dom::element;
using simdjson::dom::element_type;

struct FavoritesJSONReader {
    simdjson::dom::parser parser;
    /// The document and simdjson's padding, behind which it may read but of which it does not depend.
    std::unique_ptr<uint8_t[]> document;
    size_t bytesMax = 0;
    std::unique_ptr<FavoritesJSONParticipant[]> participants;
    size_t participantsMax = 0;
    /// A score takes three bytes of the document at least (`"",`), so there are never more than a third of its
    /// bytes. Pages that no message reached cost no memory.
    std::unique_ptr<FavoritesJSONValue[]> scores;
};

namespace {

template <typename Model>
struct Field {
    std::string_view name;
    FavoritesJSONValue Model::*value;
};

FavoritesJSONValue valueOf(element found) noexcept {
    FavoritesJSONValue value = {};
    switch (found.type()) {
    case element_type::STRING: {
        std::string_view text;
        if (found.get(text)) break;
        value.bytes = reinterpret_cast<const uint8_t *>(text.data());
        value.count = static_cast<uint32_t>(text.size());
        value.type = FavoritesJSONTypeText;
        return value;
    }
    case element_type::INT64:
        if (found.get(value.integer)) break;
        value.type = FavoritesJSONTypeInteger;
        return value;
    case element_type::ARRAY:
        value.type = FavoritesJSONTypeList;
        return value;
    case element_type::NULL_VALUE:
        return value;
    default:
        break;
    }
    value.type = FavoritesJSONTypeOther;
    return value;
}

/// Notes the last value of each known key. `list` gets the last value of the key at `listIndex`.
template <typename Model, size_t count>
void readFields(
    simdjson::dom::object object, const Field<Model> (&fields)[count], Model &out, size_t listIndex = count,
    element *list = nullptr
) noexcept {
    for (auto found : object) {
        for (size_t index = 0; index < count; index++) {
            if (fields[index].name != found.key) continue;
            out.*(fields[index].value) = valueOf(found.value);
            if (index == listIndex) *list = found.value;
            break;
        }
    }
}

FavoritesJSONResult resultOf(simdjson::error_code error) noexcept {
    switch (error) {
    case simdjson::SUCCESS:
        return FavoritesJSONResultRead;
    case simdjson::UTF8_ERROR:
        return FavoritesJSONResultNotUTF8;
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS:
        return FavoritesJSONResultBadText;
    case simdjson::DEPTH_ERROR:
        return FavoritesJSONResultTooDeep;
    case simdjson::CAPACITY:
        return FavoritesJSONResultTooLarge;
    default:
        return FavoritesJSONResultMalformed;
    }
}

FavoritesJSONResult parse(
    FavoritesJSONReader &reader, const uint8_t *bytes, size_t count, simdjson::dom::object &object
) noexcept {
    if (count > reader.bytesMax) return FavoritesJSONResultTooLarge;
    if (count == 0) return FavoritesJSONResultMalformed;
    // Newer releases of simdjson skip a byte order mark; no release does where this is in the way.
    if (bytes[0] == 0xEF) return FavoritesJSONResultMalformed;
    uint8_t *document = reader.document.get();
    std::memcpy(document, bytes, count);
    std::memset(document + count, ' ', simdjson::SIMDJSON_PADDING);
    element root;
    auto error = reader.parser.parse(document, count, false).get(root);
    if (error == simdjson::NUMBER_ERROR) {
        favorites::narrowNumbers(document, document + count);
        error = reader.parser.parse(document, count, false).get(root);
    }
    if (error) return resultOf(error);
    return root.get(object) ? FavoritesJSONResultNotObject : FavoritesJSONResultRead;
}

template <typename Model, size_t count>
FavoritesJSONResult readModel(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t length, const Field<Model> (&fields)[count], Model *out
) noexcept {
    simdjson::dom::object object;
    auto result = parse(*reader, bytes, length, object);
    if (result != FavoritesJSONResultRead) return result;
    *out = {};
    readFields(object, fields, *out);
    return FavoritesJSONResultRead;
}

constexpr Field<FavoritesJSONParticipant> participantFields[] = {
    {"id", &FavoritesJSONParticipant::id},
    {"score", &FavoritesJSONParticipant::score},
    {"periodScores", &FavoritesJSONParticipant::periodScores},
};

/// Reads one element of an event's participants. `scoresCount` is the number of scores read so far.
void readParticipant(
    FavoritesJSONReader &reader, element found, FavoritesJSONParticipant &out, uint32_t &scoresCount
) noexcept {
    out = {};
    out.scoresStart = scoresCount;
    simdjson::dom::object object;
    if (found.get(object)) return;
    out.isObject = 1;
    element list;
    readFields(object, participantFields, out, 2, &list);
    simdjson::dom::array scores;
    if (out.periodScores.type != FavoritesJSONTypeList || list.get(scores)) return;
    for (element score : scores) reader.scores[scoresCount++] = valueOf(score);
    out.periodScores.count = scoresCount - out.scoresStart;
}

constexpr Field<FavoritesJSONEvent> eventFields[] = {
    {"id", &FavoritesJSONEvent::id},
    {"sport", &FavoritesJSONEvent::sport},
    {"stageId", &FavoritesJSONEvent::stageId},
    {"scheduledStart", &FavoritesJSONEvent::scheduledStart},
    {"status", &FavoritesJSONEvent::status},
    {"participants", &FavoritesJSONEvent::participants},
    {"period", &FavoritesJSONEvent::period},
    {"minute", &FavoritesJSONEvent::minute},
};

}  // namespace

FavoritesJSONReader *favorites_json_create(size_t bytesMax, size_t depthMax, size_t participantsMax) {
    std::unique_ptr<FavoritesJSONReader> reader(new (std::nothrow) FavoritesJSONReader);
    if (!reader) return nullptr;
    reader->bytesMax = bytesMax;
    reader->participantsMax = participantsMax;
    reader->document.reset(new (std::nothrow) uint8_t[bytesMax + simdjson::SIMDJSON_PADDING]);
    reader->participants.reset(new (std::nothrow) FavoritesJSONParticipant[participantsMax]);
    reader->scores.reset(new (std::nothrow) FavoritesJSONValue[bytesMax / 3 + 1]);
    if (!reader->document || !reader->participants || !reader->scores) return nullptr;
    if (reader->parser.allocate(bytesMax, depthMax)) return nullptr;
    return reader.release();
}

void favorites_json_destroy(FavoritesJSONReader *reader) { delete reader; }

FavoritesJSONResult favorites_json_event(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONEvent *out
) {
    *out = {};
    out->participantList = reader->participants.get();
    out->scores = reader->scores.get();
    if (count <= reader->bytesMax &&
        favorites::readPlainEvent(
            bytes, count, *out, reader->participants.get(), reader->participantsMax, reader->scores.get())) {
        return FavoritesJSONResultRead;
    }
    simdjson::dom::object object;
    auto result = parse(*reader, bytes, count, object);
    if (result != FavoritesJSONResultRead) return result;
    *out = {};
    out->participantList = reader->participants.get();
    out->scores = reader->scores.get();
    element list;
    readFields(object, eventFields, *out, 5, &list);
    simdjson::dom::array participants;
    if (out->participants.type != FavoritesJSONTypeList || list.get(participants)) return result;
    uint32_t scoresCount = 0;
    uint32_t participantsCount = 0;
    for (element participant : participants) {
        if (participantsCount < reader->participantsMax) {
            readParticipant(*reader, participant, reader->participants[participantsCount], scoresCount);
        }
        participantsCount++;
    }
    out->participants.count = participantsCount;
    return result;
}

FavoritesJSONResult favorites_json_team(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONTeam *out
) {
    static constexpr Field<FavoritesJSONTeam> fields[] = {
        {"id", &FavoritesJSONTeam::id},
        {"sport", &FavoritesJSONTeam::sport},
        {"name", &FavoritesJSONTeam::name},
        {"shortName", &FavoritesJSONTeam::shortName},
        {"abbreviation", &FavoritesJSONTeam::abbreviation},
        {"regionId", &FavoritesJSONTeam::regionId},
        {"imageUrl", &FavoritesJSONTeam::imageUrl},
    };
    return readModel(reader, bytes, count, fields, out);
}

FavoritesJSONResult favorites_json_stage(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONStage *out
) {
    static constexpr Field<FavoritesJSONStage> fields[] = {
        {"id", &FavoritesJSONStage::id},
        {"sport", &FavoritesJSONStage::sport},
        {"name", &FavoritesJSONStage::name},
        {"slug", &FavoritesJSONStage::slug},
        {"categoryId", &FavoritesJSONStage::categoryId},
        {"seasonId", &FavoritesJSONStage::seasonId},
        {"positionScores", &FavoritesJSONStage::positionScores},
        {"positionTeams", &FavoritesJSONStage::positionTeams},
    };
    return readModel(reader, bytes, count, fields, out);
}

FavoritesJSONResult favorites_json_season(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONSeason *out
) {
    static constexpr Field<FavoritesJSONSeason> fields[] = {
        {"id", &FavoritesJSONSeason::id},
        {"name", &FavoritesJSONSeason::name},
        {"startDate", &FavoritesJSONSeason::startDate},
        {"endDate", &FavoritesJSONSeason::endDate},
    };
    return readModel(reader, bytes, count, fields, out);
}

FavoritesJSONResult favorites_json_region(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONRegion *out
) {
    static constexpr Field<FavoritesJSONRegion> fields[] = {
        {"id", &FavoritesJSONRegion::id},
        {"name", &FavoritesJSONRegion::name},
        {"code", &FavoritesJSONRegion::code},
    };
    return readModel(reader, bytes, count, fields, out);
}

FavoritesJSONResult favorites_json_category(
    FavoritesJSONReader *reader, const uint8_t *bytes, size_t count, FavoritesJSONCategory *out
) {
    static constexpr Field<FavoritesJSONCategory> fields[] = {
        {"id", &FavoritesJSONCategory::id},
        {"sport", &FavoritesJSONCategory::sport},
        {"name", &FavoritesJSONCategory::name},
        {"slug", &FavoritesJSONCategory::slug},
        {"regionId", &FavoritesJSONCategory::regionId},
    };
    return readModel(reader, bytes, count, fields, out);
}
