#!/usr/bin/env bash
# Ends what up.sh has started, by SIGTERM: members drain, as they do when a container is stopped.
#
#     deploy/local/down.sh               everything, the last started first; volumes and logs stay
#     deploy/local/down.sh node-2        one service
#     deploy/local/down.sh --volumes     everything, and removes the folder
#
# LOCAL_DIR as for up.sh. A process that has not ended after 45 s (stop_grace_period of compose.yaml) is killed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stop() {
    local name=$1 id deadline=$((SECONDS + 45))
    id=$(id_of "$name") || return 0
    kill "$id" 2>/dev/null || true
    while id_of "$name" >/dev/null; do
        if [ $SECONDS -ge $deadline ]; then
            echo "$program: $name does not end; killed" >&2
            kill -9 "$id" 2>/dev/null || true
            deadline=$((SECONDS + 45))
        fi
        sleep 0.1
    done
    rm -f "$folder/run/$name"
    echo "$program: $name has ended"
}

[ -d "$folder/run" ] || fail "nothing was started in $folder"
case "${1:-}" in
"" | --volumes)
    mapfile -t names < <(tac "$folder/services/order")
    for name in "${names[@]}" broker; do stop "$name"; done
    rm -f "$folder/run/bootstrap" "$folder/run/published"
    if [ "${1:-}" = --volumes ]; then rm -rf "$folder"; fi
    ;;
*)
    for name in "$@"; do
        id_of "$name" >/dev/null || fail "$name does not run"
        stop "$name"
    done
    ;;
esac
