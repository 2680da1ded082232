#!/usr/bin/env bash
# `favorites serve` beside its peers: nginx with files of the same bytes, Redis behind HTTP with the same bodies, Redis'
# pipelined MGET of the same values, and a 304 beside the full answer. Each server on one processor (Redis behind HTTP: its
# two processes together), the generator on the other; the same different requests in the same order on both sides.
# Before anything is measured every body is compared, byte by byte.
#
#     Benchmarks/serve-peers.sh          ROUNDS=5 ROUND_SECONDS=2 CONNECTIONS=32 REQUESTS=256 EVENTS=20000
#     ROWS="file redis" Benchmarks/serve-peers.sh    of: file redis-http redis revalidation; all
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. Benchmarks/pairs.sh

requests=${REQUESTS:-256}
rows=" ${ROWS:-file redis-http redis revalidation} "
scripts/deps.sh bench >"$work/deps.log" || fail "$(tail -n 3 "$work/deps.log")"
wants() { [[ $rows == *" $1 "* ]]; }

# The sizes that are measured: event ids and team ids of a request.
declare -A teams_of=([1]=0 [10]=3 [100]=0)
start_broker 12
publish_offer "${EVENTS:-20000}"
check_nothing_trimmed
start_serve taskset -c "$server"
for ids in 1 10 100; do
    request_paths "$requests" "$ids" "${teams_of[$ids]}" >"$work/paths-$ids"
    save_answers "$base" "$work/paths-$ids" "$work/files-$ids"
    echo "mym, $ids event ids and ${teams_of[$ids]} team ids: $requests different requests," \
        "$(cat "$work/files-$ids"/* | wc -c | awk -v n="$requests" '{ printf "%d", $1 / n }') bytes on average"
done
echo "$connections connections; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"

ours() { load "$base" "$work/paths-$1" "$round_seconds" "$serve_id"; }

# nginx with the files of all sizes: with sendfile and, for the smallest, without, which is faster there.
start_files() {
    local port ids
    port=$(free_port)
    file_base=http://127.0.0.1:$port
    mkdir -p "$work/files"
    chmod 755 "$work" "$work/files"
    for ids in 1 10 100; do
        mv "$work/files-$ids" "$work/files/$ids" && ln -s "files/$ids" "$work/files-$ids"
        file_paths "$work/paths-$ids" | sed "s|^|/$ids|" >"$work/file-paths-$ids"
    done
    peer nginx-file "curl -sf $file_base/1/0.json" \
        Benchmarks/peers/nginx-file.sh "$server" "$port" "$work/nginx-file" "$work/files"
    file_ids=$(nginx_ids "$peer_id")
    port=$(free_port)
    copy_base=http://127.0.0.1:$port
    peer nginx-copy "curl -sf $copy_base/1/0.json" \
        env SENDFILE=off Benchmarks/peers/nginx-file.sh "$server" "$port" "$work/nginx-copy" "$work/files"
    copy_ids=$(nginx_ids "$peer_id")
    for ids in 1 10 100; do
        save_answers "$file_base" "$work/file-paths-$ids" "$work/nginx-$ids"
        same_answers "$work/files/$ids" "$work/nginx-$ids" nginx
    done
}

# shellcheck disable=SC2086
files() { load "$file_base" "$work/file-paths-$1" "$round_seconds" $file_ids; }

# shellcheck disable=SC2086
copies() { load "$copy_base" "$work/file-paths-$1" "$round_seconds" $copy_ids; }

start_redis() {
    redis_port=$(free_port)
    peer redis "redis-cli -p $redis_port ping" Benchmarks/peers/redis.sh "$server" "$redis_port" "$work/redis"
    redis_id=$peer_id
    Benchmarks/peers/redis-values.py "$base" "$work/offer" | redis-cli -p "$redis_port" --pipe >"$work/fill.log" 2>&1 ||
        fail "redis was not filled: $(tail -n 3 "$work/fill.log")"
    cc -O2 -o "$work/mget-load" Benchmarks/peers/mget-load.c || fail "no C compiler"
}

start_redis_http() {
    local port ids
    port=$(free_port)
    front_base=http://127.0.0.1:$port
    peer redis-http "curl -sf $front_base$(head -n 1 "$work/paths-1")" \
        Benchmarks/peers/redis-http.sh "$server" "$port" "$work/redis-http" "$work/redis/redis.sock" "$(date -d "$now" +%s)000"
    front_ids=$(nginx_ids "$peer_id")
    for ids in 1 10 100; do
        save_answers "$front_base" "$work/paths-$ids" "$work/front-$ids"
        same_answers "$work/files-$ids/" "$work/front-$ids/" "redis behind HTTP"
    done
}

# shellcheck disable=SC2086
front() { load "$front_base" "$work/paths-$1" "$round_seconds" "$redis_id" $front_ids; }

# The values of the MGET row: events in the bodies on our side, replies that are no null on the other.
ours_values() {
    ours 100 | awk -v each="$values_each" '{ printf "%.0f %.4f %s\n", $1 * each, $2 / each, $3 }'
}

redis_values() {
    local us rate
    us=$(cpu_us "$redis_id")
    rate=$(taskset -c "$generator" "$work/mget-load" "$redis_port" "$mget_connections" "$mget_depth" "$round_seconds" \
        "$work/keys") || fail "mget-load failed"
    us=$(($(cpu_us "$redis_id") - us))
    awk -v us="$us" -v seconds="$round_seconds" -v busy="$(busy "$us" "$round_seconds")" '
        { printf "%s %.4f %s\n", $1, us / ($1 * seconds), busy }' <<<"$rate"
}

# A request again, with the tag it was answered with: `PATH<tab>If-None-Match: TAG`. Every one must be answered 304.
write_revalidations() {
    sed "s|.*|url = \"$base&\"|" "$work/paths-10" >"$work/curl.config"
    curl -sfI -K "$work/curl.config" | tr -d '\r' | awk 'tolower($1) == "etag:" { print "If-None-Match: " $2 }' >"$work/tags"
    paste "$work/paths-10" "$work/tags" >"$work/revalidations"
    save_answers "$base" "$work/revalidations" "$work/unchanged"
    [ -z "$(find "$work/unchanged" -type f -size +0 -print -quit)" ] || fail "a tag was sent back and a body came"
}

unchanged() { load "$base" "$work/revalidations" "$round_seconds" "$serve_id"; }

if wants file; then
    start_files
    compare_rate "serve ÷ nginx with files, requests/s: 10 ids + 3 teams" ">= 1.0" "ours 10" "files 10"
    compare_rate "serve ÷ nginx with files, requests/s: 1 id" ">= 0.9" "ours 1" "files 1"
    compare_rate "serve ÷ nginx with files, without sendfile, requests/s: 1 id" "" "ours 1" "copies 1"
    compare_rate "serve ÷ nginx with files, requests/s: 100 ids" ">= 0.9" "ours 100" "files 100"
fi
if wants redis || wants redis-http; then start_redis; fi
if wants redis-http; then
    start_redis_http
    compare_rate "serve ÷ Redis behind HTTP (nginx + Lua), requests/s: 10 ids + 3 teams" ">= 8" "ours 10" "front 10"
fi
if wants redis; then
    sed 's|.*eventIds=||; s|&.*||' "$work/paths-100" >"$work/keys"
    values_each=$(cat "$work/files-100"/*.json | grep -o '"status":"' | wc -l | awk -v n="$requests" '{ print $1 / n }')
    # What gives Redis its best: several, tried once each.
    best=0
    for shape in "8 1" "8 4" "16 2" "32 1" "32 4"; do
        read -r mget_connections mget_depth <<<"$shape"
        rate=$(redis_values | cut -d ' ' -f 1)
        if ((rate > best)); then best=$rate best_shape=$shape; fi
    done
    read -r mget_connections mget_depth <<<"$best_shape"
    echo "Redis is best with $mget_connections connections and $mget_depth commands in flight on each"
    compare_rate "serve ÷ Redis, pipelined MGET of the same values, values/s: 100 ids" ">= 2" ours_values redis_values
fi
if wants revalidation; then
    write_revalidations
    compare_rate "304 ÷ full answer, requests/s: 10 ids + 3 teams" ">= 1.5" unchanged "ours 10"
fi
check_nothing_trimmed
