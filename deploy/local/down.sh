#!/usr/bin/env bash
# Ends what up.sh has started, by SIGTERM: members drain, as they do when a container is stopped.
#
#     deploy/local/down.sh               everything, what others need last; volumes and logs stay
#     deploy/local/down.sh node-2        one service
#     deploy/local/down.sh --volumes     everything, and removes the folder
#
# LOCAL_DIR as for up.sh. A process that has not ended after 45 s (stop_grace_period of compose.yaml) is killed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# stop NAME…: together, as compose does with those that do not depend on each other.
stop() {
    local name id deadline=$((SECONDS + 45))
    for name in "$@"; do
        if id=$(id_of "$name"); then kill "$id" 2>/dev/null || true; fi
    done
    for name in "$@"; do
        while id=$(id_of "$name"); do
            if [ $SECONDS -ge $deadline ]; then
                echo "$program: $name does not end; killed" >&2
                kill -9 "$id" 2>/dev/null || true
                deadline=$((SECONDS + 45))
            fi
            sleep 0.1
        done
        if [ -f "$folder/run/$name" ]; then echo "$program: $name has ended"; fi
        rm -f "$folder/run/$name"
    done
}

[ -d "$folder/run" ] || fail "nothing was started in $folder"
case "${1:-}" in
"" | --volumes)
    for ((level = 9; level > 0; level--)); do
        mapfile -t names < <(awk -v level="$level" '$1 == level { print $2 }' "$folder/services/levels")
        stop "${names[@]}"
    done
    stop broker
    rm -f "$folder/run/bootstrap" "$folder/run/published"
    if [ "${1:-}" = --volumes ]; then rm -rf "$folder"; fi
    ;;
*)
    for name in "$@"; do id_of "$name" >/dev/null || fail "$name does not run"; done
    stop "$@"
    ;;
esac
