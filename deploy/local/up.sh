#!/usr/bin/env bash
# The cluster of deploy/compose.yaml on this machine, without containers: the embedded broker, the topics, three nodes,
# two routers, Varnish, Prometheus. The command lines are those of compose.yaml (commands.py reads them); each service has
# a loopback address of its own, so the ports are the same too. `down.sh` ends it.
#
#     deploy/local/up.sh                 everything that does not run yet, and an offer where there is none
#     deploy/local/up.sh node-2          one service again, as it was; node-4 is one more, which does not start by itself
#     deploy/local/up.sh --list          what runs, and where it is
#
# FAVORITES_BIN (.build/release/favorites), LOCAL_DIR (favorites-data/local: volumes, logs, settings),
# LOCAL_NET (127.64.0: the first three numbers of the addresses), EVENTS (2000: the generated offer's).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
favorites=${FAVORITES_BIN:-$root/.build/release/favorites}
net=${LOCAL_NET:-127.64.0}
# Settings in this shell's variables must not change what compose.yaml says.
unset "${!FAVORITES_@}"

[ -x "$favorites" ] || fail "no $favorites; run \`make release\` first, or set FAVORITES_BIN"
/usr/bin/python3 -c 'import yaml' 2>/dev/null || fail "python3-yaml is missing; run scripts/deps.sh deploy"

list() {
    local name id
    while read -r name; do
        id=$(id_of "$name") || id=-
        printf '%-12s %-12s %-8s %s\n' "$name" "$(cat "$folder/services/$name.address")" "$id" \
            "$(tr '\n' ' ' <"$folder/services/$name.published" | sed 's|[^ ]*:|http://&|g')"
    done <"$folder/services/order"
}

# start NAME COMMAND…: a process of its own session, so that Ctrl-C in this terminal does not reach it.
start() {
    local name=$1 id
    shift
    command -v "$1" >/dev/null || fail "$name: no $1; run scripts/deps.sh deploy"
    # shellcheck disable=SC2016
    setsid --fork bash -c '
        read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ started _ <<<"$(sed "s/([^)]*)/x/" /proc/$$/stat)"
        echo "$$ $started" >"$0.new" && mv "$0.new" "$0"
        exec "$@"' "$folder/run/$name" "$@" >>"$folder/log/$name.log" 2>&1 </dev/null
    wait_for 5 "starting $name" id_of "$name"
}

# healthy NAME: what compose.yaml calls healthy; a service without a check is healthy when it listens where it is published.
healthy() {
    local check host port
    mapfile -d '' -t check <"$folder/services/$1.health"
    if [ ${#check[@]} -gt 0 ]; then
        "${check[@]}"
        return
    fi
    id_of "$1" >/dev/null || return 1
    while IFS=: read -r host port; do (exec 3<>"/dev/tcp/$host/$port") || return 1; done <"$folder/services/$1.published"
}

# wait_healthy NAME: ends the wait at once where the process is gone.
wait_healthy() {
    local deadline=$((SECONDS + 300))
    until healthy "$1" >/dev/null 2>&1; do
        id_of "$1" >/dev/null || fail "$1 has ended: $(tail -n 3 "$folder/log/$1.log")"
        [ $SECONDS -lt $deadline ] || fail "$1 is not healthy in time; its log: $folder/log/$1.log"
        sleep 0.1
    done
}

# run NAME: starts it, or where it is one that ends, runs it to its end.
run() {
    local name=$1 words
    ! id_of "$name" >/dev/null || return 0
    mapfile -d '' -t words <"$folder/services/$name.command"
    words=("${words[@]//@KAFKA@/$(<"$folder/run/bootstrap")}")
    if [ "$(<"$folder/services/$name.kind")" = ends ]; then
        "${words[@]}" >>"$folder/log/$name.log" 2>&1 || fail "$name failed: $(tail -n 3 "$folder/log/$name.log")"
    else
        start "$name" "${words[@]}"
    fi
    echo "$program: $name"
}

start_broker() {
    ! id_of broker >/dev/null || return 0
    # It keeps everything in memory: what nodes wrote on disk is of another log now, which they find out.
    rm -f "$folder/run/bootstrap" "$folder/run/published"
    local partitions
    mapfile -d '' -t partitions <"$folder/services/partitions"
    start broker "$favorites" broker "${partitions[@]}" --bootstrap-file "$folder/run/bootstrap"
    wait_for 20 "the broker" test -s "$folder/run/bootstrap"
    echo "$program: broker (in place of kafka-1, kafka-2, kafka-3)"
}

# publish: a generated offer, once for each broker.
publish() {
    [ ! -f "$folder/run/published" ] || return 0
    rm -rf "$folder/offer"
    "$favorites" generate --events "${EVENTS:-2000}" --now "$(date -u +%FT%TZ)" --out "$folder/offer" \
        >"$folder/log/offer.log" 2>&1 || fail "no offer: $(tail -n 3 "$folder/log/offer.log")"
    "$favorites" publish "$folder/offer" --kafka-brokers "$(<"$folder/run/bootstrap")" \
        >>"$folder/log/offer.log" 2>&1 || fail "no offer: $(tail -n 3 "$folder/log/offer.log")"
    touch "$folder/run/published"
}

if [ "${1:-}" = --list ]; then
    [ -f "$folder/services/order" ] || fail "nothing was started in $folder"
    list
    exit 0
fi
mkdir -p "$folder/run" "$folder/log"
# The addresses stay what they were while anything runs.
if [ -f "$folder/run/net" ] && id_of broker >/dev/null; then net=$(<"$folder/run/net"); fi
echo "$net" >"$folder/run/net"
FAVORITES_BIN=$favorites /usr/bin/python3 "$root/deploy/local/commands.py" "$folder" "$net"

start_broker
mapfile -t names <"$folder/services/default"
for name in "$@"; do
    [ -f "$folder/services/$name.command" ] || fail "no service $name; there are: $(tr '\n' ' ' <"$folder/services/order")"
done
# Nodes load side by side, as they would in containers; the cache wants its routers' addresses to answer.
for name in "${@:-${names[@]}}"; do
    if [ "$name" = varnish ] && [ $# -eq 0 ]; then for other in router-1 router-2; do wait_healthy "$other"; done; fi
    run "$name"
    if [ "$name" = topics ]; then publish; fi
done
for name in "${@:-${names[@]}}"; do
    if [ "$(<"$folder/services/$name.kind")" = runs ]; then wait_healthy "$name"; fi
done
list
