#!/usr/bin/env bash
# What a request costs the load generator itself, beside wrk: both in turn against one nginx worker that serves a file,
# the worker on one processor, the client on another. Prints requests a second, which are the server's, and the processor
# time of the whole client for each request, which is what counts here: as long as it is below the server's, the client
# is not the limit. Fails where a request fails. The last column is `favorites-load --spin`, which never sleeps.
#
#     Benchmarks/generator.sh               ROUNDS=5 ROUND_SECONDS=3 CONNECTIONS=32 BYTES=8900
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${ROUND_SECONDS:-3}
connections=${CONNECTIONS:-32}
scripts/deps.sh bench >"$work/deps.log" || fail "$(tail -n 3 "$work/deps.log")"
generator=$(Benchmarks/build.sh favorites-load 2>"$work/build.log") || fail "$(tail -n 20 "$work/build.log")"
[ ${#processors[@]} -ge 2 ] || fail "needs two processors: one for the server, one for the load generator"

mkdir "$work/files"
head -c "${BYTES:-8900}" /dev/zero | tr '\0' x >"$work/files/file"
chmod 755 "$work"
port=$(free_port)
background nginx Benchmarks/peers/nginx-file.sh "${processors[0]}" "$port" "$work/nginx" "$work/files"
wait_for 10 nginx curl -sf -o "$work/answer" "http://127.0.0.1:$port/file"

TIMEFORMAT='%U %S'
# client NAME COMMAND…: its output to $work/NAME.out, its processor time to $work/NAME.time.
client() {
    local name=$1
    shift
    { time taskset -c "${processors[1]}" "$@" >"$work/$name.out" 2>&1; } 2>"$work/$name.time" ||
        fail "$name: $(cat "$work/$name.out")"
}

# load NAME OPTIONS…: one round of our own; prints answers a second and microseconds for each.
load() {
    local name=$1
    shift
    client "$name" "$generator" --target "127.0.0.1:$port" --path /file --connections "$connections" \
        --seconds "$seconds" --warm-up 0 --quiet --json "$work/$name.json" "$@"
    awk -v seconds="$seconds" '
        NR == FNR { us = ($1 + $2) * 1000000; next }
        /^  "requests"/ { gsub(",", ""); printf "%.0f %.2f\n", $3 / seconds, us / $3 }' \
        "$work/$name.time" "$work/$name.json"
}

wrk_round() {
    client wrk wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$port/file"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.out" || fail "requests failed"
    awk -v seconds="$seconds" '
        NR == FNR { us = ($1 + $2) * 1000000; next }
        /requests in/ { count = $1 }
        /Requests\/sec/ { printf "%.0f %.2f\n", $2, us / count }' "$work/wrk.time" "$work/wrk.out"
}

row='%7s %10s %8s %12s %8s %8s %14s\n'
echo "${BYTES:-8900} bytes, $connections connections, $rounds rounds of $seconds s; load at the start:" \
    "$(cut -d ' ' -f 1 /proc/loadavg)"
# shellcheck disable=SC2059
printf "$row" round wrk/s 'wrk us' favorites/s us ratio 'with --spin/s'
for ((round = 1; round <= rounds; round++)); do
    if ((round % 2)); then
        theirs=$(wrk_round)
        ours=$(load favorites-load)
    else
        ours=$(load favorites-load)
        theirs=$(wrk_round)
    fi
    spinning=$(load spinning --spin)
    echo "$theirs $ours $spinning" | awk '{ printf "%s %s %s %s %.3f %s\n", $1, $2, $3, $4, $4 / $2, $5 }' |
        tee -a "$work/rounds" | xargs printf "$row" "$round"
done
for column in 1 2 3 4 5 6; do
    cut -d ' ' -f "$column" "$work/rounds" | spread | tr ' ' '\n' >"$work/column-$column"
done
paste -d ' ' <(printf 'median\nleast\nmost\n') "$work"/column-* | while read -r line; do
    # shellcheck disable=SC2086
    printf "$row" $line
done
