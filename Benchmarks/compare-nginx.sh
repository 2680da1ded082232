#!/usr/bin/env bash
# `favorites serve` answering `mym` (10 event ids and 3 team ids, about 8 KB) beside nginx serving a file of exactly
# those bytes: one event loop against one worker, each pinned to the same processor, the load generator on another, in
# turn. Prints requests a second and the ratio pair by pair, and the same for the processor's time: microseconds of the
# server's process for each request, all its threads. The second does not feel what else the machine is doing, so much.
# Fails where the answers are not the same bytes, where a request fails, or where the median ratio is below RATIO_MIN.
#
#     Benchmarks/compare-nginx.sh                 ROUNDS=7 ROUND_SECONDS=5 CONNECTIONS=32 EVENT_IDS=10 TEAM_IDS=3
#     RATIO_MIN=0.5 Benchmarks/compare-nginx.sh   for a machine that has nothing else to do; CI must not gate on time
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-7}
round_seconds=${ROUND_SECONDS:-5}
connections=${CONNECTIONS:-32}
scripts/deps.sh bench >"$work/deps.log" || fail "$(tail -n 3 "$work/deps.log")"
[ ${#processors[@]} -ge 2 ] || fail "needs two processors: one for the server, one for the load generator"
server=${processors[0]} generator=${processors[1]}

start_nginx() {
    mkdir -p "$work/nginx/files" "$work/nginx/tmp"
    curl -sf "$base$path" -o "$work/nginx/files/answer.json" || fail "favorites does not answer $path"
    nginx_port=$(free_port)
    cat >"$work/nginx/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush ${TCP_NOPUSH:-on};
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    default_type application/json;
    client_body_temp_path $work/nginx/tmp/body;
    proxy_temp_path $work/nginx/tmp/proxy;
    fastcgi_temp_path $work/nginx/tmp/fastcgi;
    uwsgi_temp_path $work/nginx/tmp/uwsgi;
    scgi_temp_path $work/nginx/tmp/scgi;
    server {
        listen 127.0.0.1:$nginx_port backlog=1024;
        root $work/nginx/files;
        location / {
            add_header Cache-Control "public, max-age=10";
            add_header Access-Control-Allow-Origin "*";
        }
    }
}
CONF
    background nginx taskset -c "$server" nginx -p "$work/nginx" -e "$work/nginx/error.log" -c "$work/nginx/nginx.conf"
    # The worker has to enter a folder that mktemp made for this user alone.
    chmod 755 "$work" "$work/nginx" "$work/nginx/files"
    nginx_master=$!
    wait_for 10 nginx curl -sf -o "$work/nginx.out" "http://127.0.0.1:$nginx_port/answer.json"
    nginx_id=$(pgrep -P "$nginx_master")
}

# cpu_us ID: microseconds that the process has run.
cpu_us() { awk -v hertz="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / hertz }' "/proc/$1/stat"; }

# load ID URL SECONDS: prints requests a second, and the server's microseconds for each.
load() {
    local before
    before=$(cpu_us "$1")
    taskset -c "$generator" wrk -t1 -c"$connections" -d"$3s" "$2" >"$work/wrk.log" 2>&1 || fail "$(cat "$work/wrk.log")"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.log" || fail "requests failed at $2"
    awk -v us=$(($(cpu_us "$1") - before)) '
        /requests in/ { us /= $1 }
        /Requests\/sec/ { printf "%.0f %.2f\n", $2, us }' "$work/wrk.log"
}

start_broker 12
publish_offer 20000
check_nothing_trimmed
start_serve taskset -c "$server"
events=$(event_ids "${EVENT_IDS:-10}")
teams=$(team_ids "${TEAM_IDS:-3}")
path="/v1/api/app/mym/soccer?eventIds=$events${teams:+&teamIds=$teams}"
start_nginx
cmp "$work/nginx/files/answer.json" "$work/nginx.out" || fail "nginx does not serve the same bytes"

bytes=$(wc -c <"$work/nginx.out")
echo "mym with ${EVENT_IDS:-10} event ids and ${TEAM_IDS:-3} team ids, $bytes bytes; $rounds pairs of $round_seconds s," \
    "$connections connections; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
file=http://127.0.0.1:$nginx_port/answer.json
load "$serve_id" "$base$path" 1 >/dev/null
load "$nginx_id" "$file" 1 >/dev/null
row='%6s %12s %12s %8s %14s %12s %8s\n'
# shellcheck disable=SC2059
printf "$row" pair favorites/s nginx/s ratio 'favorites us' 'nginx us' ratio
for ((round = 1; round <= rounds; round++)); do
    # Whoever goes first changes from pair to pair.
    if ((round % 2)); then
        ours=$(load "$serve_id" "$base$path" "$round_seconds")
        theirs=$(load "$nginx_id" "$file" "$round_seconds")
    else
        theirs=$(load "$nginx_id" "$file" "$round_seconds")
        ours=$(load "$serve_id" "$base$path" "$round_seconds")
    fi
    awk '{ printf "%s %s %.3f %s %s %.3f\n", $1, $3, $1 / $3, $2, $4, $4 / $2 }' <<<"$ours $theirs" | tee -a "$work/pairs" |
        xargs printf "$row" "$round"
done
curl -sf "$base$path" | cmp - "$work/nginx.out" || fail "the answers are not the same bytes"
check_nothing_trimmed

# Median, least and most of each column.
for column in 1 2 3 4 5 6; do
    cut -d ' ' -f "$column" "$work/pairs" | spread | tr ' ' '\n' >"$work/column-$column"
done
paste -d ' ' <(printf 'median\nleast\nmost\n') "$work"/column-* | while read -r line; do
    # shellcheck disable=SC2086
    printf "$row" $line
done
ratio=$(head -n 1 "$work/column-3")
awk -v ratio="$ratio" -v least="${RATIO_MIN:-0}" 'BEGIN { exit ratio < least }' ||
    fail "the median ratio $ratio is below $RATIO_MIN"
