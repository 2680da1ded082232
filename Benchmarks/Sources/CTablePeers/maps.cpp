// oneTBB's map and the standard library's. The record is the map's value, so id and record share a node.
#include "Peer.h"
#include <mutex>
#include <shared_mutex>
#include <tbb/concurrent_hash_map.h>
#include <unordered_map>

namespace {
struct record {
    int64_t start;
    char json[peer_json_max];

    record() = default;
    record(int64_t start, const char *json, size_t length) : start(start) {
        memcpy(this->json, json, length < peer_json_max ? length : peer_json_max);
    }
};

struct hashing {
    size_t operator()(const peer_id &id) const { return peer_hash(&id); }
    size_t hash(const peer_id &id) const { return peer_hash(&id); }
    bool equal(const peer_id &left, const peer_id &right) const { return peer_same(&left, &right); }
    bool operator()(const peer_id &left, const peer_id &right) const { return peer_same(&left, &right); }
};

using tbb_map = tbb::concurrent_hash_map<peer_id, record, hashing>;

struct std_map {
    std::shared_mutex mutex;
    std::unordered_map<peer_id, record, hashing, hashing> map;
};

void nothing() {}

peer_table *tbb_make(size_t records) { return reinterpret_cast<peer_table *>(new tbb_map(records)); }

void tbb_put(peer_table *table, const peer_id *id, int64_t start, const char *json, size_t length) {
    tbb_map::accessor place;
    reinterpret_cast<tbb_map *>(table)->insert(place, *id);
    place->second = record(start, json, length);
}

uint64_t tbb_read(peer_table *table, const peer_id *ids, size_t count, size_t *found) {
    const auto &map = *reinterpret_cast<tbb_map *>(table);
    uint64_t sum = 0;
    for (size_t index = 0; index < count; index++) {
        tbb_map::const_accessor place;
        if (!map.find(place, ids[index])) continue;
        *found += 1;
        sum += peer_touch(place->second.start, place->second.json);
    }
    return sum;
}

peer_table *std_make(size_t records) {
    auto table = new std_map;
    table->map.reserve(records);
    return reinterpret_cast<peer_table *>(table);
}

void std_put(peer_table *table, const peer_id *id, int64_t start, const char *json, size_t length) {
    auto &shared = *reinterpret_cast<std_map *>(table);
    std::unique_lock lock(shared.mutex);
    shared.map.insert_or_assign(*id, record(start, json, length));
}

uint64_t std_read(peer_table *table, const peer_id *ids, size_t count, size_t *found) {
    auto &shared = *reinterpret_cast<std_map *>(table);
    uint64_t sum = 0;
    for (size_t from = 0; from < count; from += peer_guard_ids) {
        std::shared_lock lock(shared.mutex);
        for (size_t index = from; index < from + peer_guard_ids; index++) {
            auto place = shared.map.find(ids[index]);
            if (place == shared.map.end()) continue;
            *found += 1;
            sum += peer_touch(place->second.start, place->second.json);
        }
    }
    return sum;
}
} // namespace

extern "C" {
extern const peer_kind peer_tbb = {"tbb", tbb_make, nothing, nothing, tbb_put, tbb_read};
extern const peer_kind peer_std = {"std + shared_mutex", std_make, nothing, nothing, std_put, std_read};
}
