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

ours() { load "$base" "$round_seconds" "$serve_id" --paths "$work/paths-$1"; }

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

files() { load "$file_base" "$round_seconds" "$file_ids" --paths "$work/file-paths-$1"; }

copies() { load "$copy_base" "$round_seconds" "$copy_ids" --paths "$work/file-paths-$1"; }

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

front() { load "$front_base" "$round_seconds" "$redis_id $front_ids" --paths "$work/paths-$1"; }

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

# The mix of 1 to 20 ids and 0 to 5 teams: each with the tag it was answered with before, and without.
mix() {
    load "$base" "$round_seconds" "$serve_id" --data "$work/offer" --distinct "$requests" --mix "$1" --check none
}

if wants file; then
    start_files
    compare_rate "serve ÷ nginx with files, requests/s: 10 ids + 3 teams" ">= 1.0" "ours 10" "files 10"
    compare_rate "serve ÷ nginx with files, requests/s: 1 id" ">= 0.9" "ours 1" "files 1"
    compare_rate "serve ÷ nginx with files, without sendfile, requests/s: 1 id" "" "ours 1" "copies 1"
    compare_rate "serve ÷ nginx with files, requests/s: 100 ids" ">= 0.9" "ours 100" "files 100"
    wrk_ours=$(load_by_wrk "$base" "$work/paths-10" "$round_seconds")
    wrk_peer=$(load_by_wrk "$file_base" "$work/file-paths-10" "$round_seconds")
    echo "another generator (wrk) on the first row: ours $wrk_ours /s, peer $wrk_peer /s," \
        "ratio $(awk -v o="$wrk_ours" -v p="$wrk_peer" 'BEGIN { printf "%.3f", o / p }')"
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
    compare_rate "304 ÷ full answer, requests/s: 1 to 20 ids, 0 to 5 teams" ">= 1.5" "mix revalidate" "mix mixed"
fi
check_nothing_trimmed
