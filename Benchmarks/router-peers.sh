#!/usr/bin/env bash
# A router in front of three nodes, two holders of each partition, beside nginx in front of one nginx with files of the
# same bytes: processor time for each request, of router and all nodes and of proxy and upstream. All servers on one
# processor, the generator on the other; the same different requests in the same order.
#
#     Benchmarks/router-peers.sh          ROUNDS=5 ROUND_SECONDS=2 CONNECTIONS=32 REQUESTS=256 EVENTS=20000
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. Benchmarks/pairs.sh

scripts/deps.sh bench >"$work/deps.log" || fail "$(tail -n 3 "$work/deps.log")"
start_broker 12
publish_offer "${EVENTS:-20000}"
check_nothing_trimmed
start_cluster taskset -c "$server"
request_paths "${REQUESTS:-256}" 10 3 >"$work/paths"
mkdir "$work/files"
save_answers "$base" "$work/paths" "$work/files"
file_paths "$work/paths" >"$work/file-paths"

upstream_port=$(free_port)
peer nginx-file "curl -sf http://127.0.0.1:$upstream_port/0.json" \
    Benchmarks/peers/nginx-file.sh "$server" "$upstream_port" "$work/nginx-file" "$work/files"
proxy_ids=$(nginx_ids "$peer_id")
proxy_port=$(free_port)
peer nginx-proxy "curl -sf http://127.0.0.1:$proxy_port/0.json" \
    Benchmarks/peers/nginx-proxy.sh "$server" "$proxy_port" "$work/nginx-proxy" "$upstream_port"
proxy_ids+=$(nginx_ids "$peer_id")
proxy_base=http://127.0.0.1:$proxy_port
save_answers "$proxy_base" "$work/file-paths" "$work/proxied"
same_answers "$work/files" "$work/proxied" "the proxy"

ours() { load "$base" "$round_seconds" "$router_id ${node_ids[*]}" --paths "$work/paths"; }
proxied() { load "$proxy_base" "$round_seconds" "$proxy_ids" --paths "$work/file-paths"; }

echo "$connections connections; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
compare_cpu "router + 3 nodes ÷ nginx proxy + upstream, processor time for each request: 10 ids + 3 teams" "<= 1.5" ours proxied
check_nothing_trimmed
