#!/usr/bin/env bash
# `favorites serve` answering `mym` (10 event ids and 3 team ids, about 8 KB) beside nginx serving a file of exactly
# those bytes: one event loop against one worker, each pinned to the same processor, the load generator on another, in
# turn. Prints requests a second and the ratio pair by pair. Fails where the answers are not the same bytes, where a
# request fails, or where the median ratio is below RATIO_MIN.
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
    wait_for 10 nginx curl -sf -o "$work/nginx.out" "http://127.0.0.1:$nginx_port/answer.json"
}

# load URL SECONDS: prints requests a second.
load() {
    taskset -c "$generator" wrk -t1 -c"$connections" -d"$2s" "$1" >"$work/wrk.log" 2>&1 || fail "$(cat "$work/wrk.log")"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.log" || fail "requests failed at $1"
    awk '/Requests\/sec/ { print $2 }' "$work/wrk.log"
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
load "$base$path" 1 >/dev/null
load "http://127.0.0.1:$nginx_port/answer.json" 1 >/dev/null
printf '%6s %14s %14s %8s\n' pair 'favorites/s' 'nginx/s' ratio
for ((round = 1; round <= rounds; round++)); do
    # Whoever goes first changes from pair to pair.
    if ((round % 2)); then
        ours=$(load "$base$path" "$round_seconds")
        theirs=$(load "http://127.0.0.1:$nginx_port/answer.json" "$round_seconds")
    else
        theirs=$(load "http://127.0.0.1:$nginx_port/answer.json" "$round_seconds")
        ours=$(load "$base$path" "$round_seconds")
    fi
    ratio=$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.3f", a / b }')
    echo "$ours" >>"$work/ours"
    echo "$theirs" >>"$work/theirs"
    echo "$ratio" >>"$work/ratios"
    printf '%6d %14.0f %14.0f %8s\n' "$round" "$ours" "$theirs" "$ratio"
done
curl -sf "$base$path" | cmp - "$work/nginx.out" || fail "the answers are not the same bytes"
check_nothing_trimmed
read -r ours_median ours_least ours_most < <(spread <"$work/ours")
read -r theirs_median theirs_least theirs_most < <(spread <"$work/theirs")
read -r ratio_median ratio_least ratio_most < <(spread <"$work/ratios")
printf '%6s %14.0f %14.0f %8.3f\n' median "$ours_median" "$theirs_median" "$ratio_median"
printf '%6s %14.0f %14.0f %8.3f\n' least "$ours_least" "$theirs_least" "$ratio_least"
printf '%6s %14.0f %14.0f %8.3f\n' most "$ours_most" "$theirs_most" "$ratio_most"
awk -v ratio="$ratio_median" -v least="${RATIO_MIN:-0}" 'BEGIN { exit ratio < least }' ||
    fail "the median ratio $ratio_median is below $RATIO_MIN"
