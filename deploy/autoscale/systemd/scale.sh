#!/usr/bin/env bash
# The hook of `favorites autoscale` on a machine with systemd: starts and stops instances of favorites-node@.service.
# An instance's name is the node's id: the unit passes `--node-id %i`.
#
#     autoscale.command: /opt/favorites/autoscale/systemd/scale.sh
#
# A call of a key that was acted on does nothing more: starting what runs and stopping what is stopped changes nothing,
# and a key that stands in STATE_DIRECTORY (set by the unit; else /var/lib/favorites-autoscale) is an old one. systemd
# does the waiting: `stop` sends SIGTERM, the node drains, the autoscaler watches.
set -euo pipefail

fail() {
    echo "scale: $1" >&2
    exit "${2:-64}"
}

[ $# -eq 1 ] || fail "usage: $0 scale-out|scale-in"
key=${AUTOSCALE_KEY:?is set by the autoscaler}
[[ $key =~ ^[0-9a-z-]{1,64}$ ]] || fail "'$key' is no key"
keys=${STATE_DIRECTORY:-/var/lib/favorites-autoscale}
mkdir -p "$keys" || fail "cannot make $keys" 71
exec 9>"$keys/lock"
flock -w 10 9 || fail "another call holds $keys/lock" 71
case $1 in
scale-out)
    unit=favorites-node@auto-${AUTOSCALE_GENERATION:?is set by the autoscaler}.service
    # One that was started and has failed before anybody heard of it is asked for again under its key.
    if [ -e "$keys/$key" ] && systemctl is-active --quiet "$unit"; then
        echo "done before: $(<"$keys/$key")"
        exit 0
    fi
    systemctl start --no-block "$unit" 9>&-
    echo "started $unit" | tee "$keys/$key"
    ;;
scale-in)
    [[ ${AUTOSCALE_NODE:?is set by the autoscaler} =~ ^[A-Za-z0-9._:-]{1,64}$ ]] || fail "'$AUTOSCALE_NODE' is no node"
    unit=favorites-node@$AUTOSCALE_NODE.service
    if [ -e "$keys/$key" ]; then
        echo "done before: $(<"$keys/$key")"
        exit 0
    fi
    systemctl is-active --quiet "$unit" || fail "$unit does not run on this machine" 69
    systemctl stop --no-block "$unit" 9>&-
    echo "stopped $unit" | tee "$keys/$key"
    ;;
*) fail "unknown action '$1'; it is scale-out or scale-in" ;;
esac
