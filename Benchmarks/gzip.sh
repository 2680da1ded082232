#!/usr/bin/env bash
# Gzip answers joined of packed fragments (docs/decisions/0012-gzip.md) beside compressing each body anew, in bytes and
# in processor time. For `mym` with 1 event id, with 10 event ids and 3 team ids, and with 100 event ids it prints
#
#   whole requests: `favorites serve` plain and in gzip, and nginx sending the same body from a file, plain and with
#     gzip levels 1 and 6; the server's microseconds for each request, medians of interleaved rounds, least and most
#   compressing alone: zlib, libdeflate and ISA-L over the same body, microseconds on the same processor
#
# and for each the product of bytes and microseconds, the smaller the better. Fails where a gzip body is not the plain
# one packed. Gates on no time.
#
#     Benchmarks/gzip.sh                 ROUNDS=5 ROUND_SECONDS=2 CONNECTIONS=32
#     OFFER=DIR Benchmarks/gzip.sh       an offer folder of .ndjson.gz instead of a generated one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
round_seconds=${ROUND_SECONDS:-2}
connections=${CONNECTIONS:-32}
scripts/deps.sh bench >"$work/deps.log" || fail "$(tail -n 3 "$work/deps.log")"
[ ${#processors[@]} -ge 2 ] || fail "needs two processors: one for the server, one for the load generator"
server=${processors[0]} generator=${processors[1]}
cc -O2 -o "$work/gzip_peers" Benchmarks/gzip_peers.c -lz -ldeflate -lisal || fail "gzip_peers.c does not compile"

# nginx_server PORT GZIP: one that sends the files, plain or compressed anew for each request.
nginx_server() {
    cat <<CONF
    server {
        listen 127.0.0.1:$1 backlog=1024;
        root $work/nginx/files;
        $2
        location / { add_header Cache-Control "public, max-age=10"; add_header Access-Control-Allow-Origin "*"; }
    }
CONF
}

start_nginx() {
    mkdir -p "$work/nginx/files" "$work/nginx/tmp"
    chmod 755 "$work" "$work/nginx" "$work/nginx/files"
    plain_port=$(free_port) one_port=$(free_port) six_port=$(free_port)
    {
        cat <<CONF
worker_processes 1;
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    default_type application/json;
    gzip_types application/json;
    gzip_min_length 0;
    client_body_temp_path $work/nginx/tmp/body;
    proxy_temp_path $work/nginx/tmp/proxy;
    fastcgi_temp_path $work/nginx/tmp/fastcgi;
    uwsgi_temp_path $work/nginx/tmp/uwsgi;
    scgi_temp_path $work/nginx/tmp/scgi;
CONF
        nginx_server "$plain_port" "gzip off;"
        nginx_server "$one_port" "gzip on; gzip_comp_level 1;"
        nginx_server "$six_port" "gzip on; gzip_comp_level 6;"
        echo "}"
    } >"$work/nginx/nginx.conf"
    background nginx taskset -c "$server" nginx -p "$work/nginx" -e "$work/nginx/error.log" -c "$work/nginx/nginx.conf"
    nginx_master=$!
    wait_for 10 nginx curl -s -o "$work/nginx.out" "http://127.0.0.1:$six_port/"
    nginx_id=$(pgrep -P "$nginx_master")
}

# cpu_us ID: microseconds that the process has run.
cpu_us() { awk -v hertz="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / hertz }' "/proc/$1/stat"; }

# load ID URL ENCODING: prints the server's microseconds for each request.
load() {
    local before
    before=$(cpu_us "$1")
    taskset -c "$generator" wrk -t1 -c"$connections" -d"${round_seconds}s" -H "Accept-Encoding: $3" "$2" \
        >"$work/wrk.log" 2>&1 || fail "$(cat "$work/wrk.log")"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.log" || fail "requests failed at $2"
    awk -v us=$(($(cpu_us "$1") - before)) '/requests in/ { printf "%.2f\n", us / $1 }' "$work/wrk.log"
}

# bytes_of URL ENCODING
bytes_of() { curl -sf -H "Accept-Encoding: $2" "$1" | wc -c; }

start_broker 12
if [ -n "${OFFER:-}" ]; then
    mkdir "$work/offer"
    for file in "$OFFER"/*.ndjson.gz; do gunzip -c "$file" >"$work/offer/$(basename "$file" .gz)"; done
    "$favorites" publish "$work/offer" --kafka-brokers "$brokers" >"$work/publish.log" 2>&1 ||
        fail "publishing failed: $(tail -n 3 "$work/publish.log")"
else
    publish_offer 20000
fi
check_nothing_trimmed
start_serve taskset -c "$server" env FAVORITES_HTTP_GZIP=on FAVORITES_STORE_GZIP_BYTES_MAX=$((1 << 30))
start_nginx
echo "offer: ${OFFER:-generated, 20000 events}; $rounds rounds of $round_seconds s, $connections connections;" \
    "load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
curl -s "http://127.0.0.1:$management/metrics" | grep -E '^(store_record_bytes|store_gzip_bytes) '

# compare NAME QUERY
compare() {
    local name=$1 url="$base/v1/api/app/mym/soccer?$2" file=$1.json round n row id address encoding us bytes least most
    curl -sf "$url" -o "$work/nginx/files/$file" || fail "favorites does not answer $url"
    curl -sf -H 'Accept-Encoding: gzip' "$url" | gunzip | cmp - "$work/nginx/files/$file" ||
        fail "the gzip body of $name is not the plain one"
    local rows=(
        "favorites-plain $serve_id $url identity"
        "favorites-gzip $serve_id $url gzip"
        "nginx-plain $nginx_id http://127.0.0.1:$plain_port/$file identity"
        "nginx-gzip-1 $nginx_id http://127.0.0.1:$one_port/$file gzip"
        "nginx-gzip-6 $nginx_id http://127.0.0.1:$six_port/$file gzip"
    )
    rm -f "$work"/row-*
    for ((round = 0; round < rounds; round++)); do
        for ((n = 0; n < ${#rows[@]}; n++)); do
            # Another one begins in each round.
            read -r row id address encoding <<<"${rows[(n + round) % ${#rows[@]}]}"
            load "$id" "$address" "$encoding" >>"$work/row-$row"
        done
    done
    printf '\n%s: %s\n%-18s %8s %10s %16s %12s\n' "$name" "$(wc -c <"$work/nginx/files/$file") bytes" \
        'whole request' bytes us 'least to most' 'bytes x us'
    for row in "${rows[@]}"; do
        read -r row id address encoding <<<"$row"
        bytes=$(bytes_of "$address" "$encoding")
        read -r us least most < <(spread <"$work/row-$row")
        printf '%-18s %8d %10.2f %16s %12.0f\n' "$row" "$bytes" "$us" "$least to $most" \
            "$(awk -v b="$bytes" -v u="$us" 'BEGIN { print b * u }')"
    done
    printf '%-18s %8s %10s %16s %12s\n' 'compressing alone' bytes us '' 'bytes x us'
    taskset -c "$server" "$work/gzip_peers" "$work/nginx/files/$file" |
        awk '{ printf "%-18s %8d %10.2f %16s %12.0f\n", $1, $2, $3, "", $2 * $3 }'
}

compare 1-event "eventIds=$(event_ids 1)"
compare 10-events-3-teams "eventIds=$(event_ids 10)&teamIds=$(team_ids 3)"
compare 100-events "eventIds=$(event_ids 100)"
check_nothing_trimmed
