#!/usr/bin/env bash
# The units under a real systemd: a Debian of their own (debootstrap) with the packages of the image, started by
# systemd-nspawn without a network. Installs the units as docs/OPERATIONS.md says, starts node and router, asks for an
# answer, stops and kills the node, and gives it a wrong setting. Not in CI: it downloads a Debian, and needs root.
#
#     apt-get install debootstrap systemd-container
#     deploy/systemd/trial.sh
#
# FAVORITES_BIN: a program built with --static-swift-stdlib (.build-static/release/favorites). FOLDER: where the Debian is
# made, and left for the next run (.build/systemd-trial).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
favorites=${FAVORITES_BIN:-.build-static/release/favorites}
folder=${FOLDER:-$PWD/.build/systemd-trial}

fail() {
    echo "trial.sh: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "needs root"
[ -x "$favorites" ] || fail "no $favorites; run: swift build -c release --product favorites --static-swift-stdlib --scratch-path .build-static"
packages=$(sed -n '/--no-install-recommends/,/&&/p' deploy/Dockerfile | grep -oE '\b(ca-certificates|curl|lib[a-z0-9+-]+|zlib1g)\b' | sort -u | paste -sd ,)
if [ ! -x "$folder/usr/bin/curl" ]; then
    echo "trial.sh: making a Debian with $packages"
    mkdir -p "$folder"
    debootstrap --variant=minbase --include="systemd,$packages" bookworm "$folder" >"$folder.log" || fail "debootstrap failed; see $folder.log"
fi

rm -rf "$folder/var/lib/favorites" "$folder/trial.log"
install -m 755 "$favorites" "$folder/usr/bin/favorites"
install -m 644 deploy/systemd/favorites-node.service deploy/systemd/favorites-router.service "$folder/etc/systemd/system/"
install -D -m 644 deploy/systemd/favorites.sysusers "$folder/usr/lib/sysusers.d/favorites.conf"
install -D -m 640 deploy/systemd/favorites.yaml "$folder/etc/favorites/favorites.yaml"
echo vm-1 >"$folder/etc/hostname"
echo "127.0.0.1 localhost vm-1" >"$folder/etc/hosts"
cat >"$folder/etc/systemd/system/trial.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/trial.sh
StandardOutput=file:/trial.log
StandardError=inherit
ExecStopPost=/usr/bin/systemctl poweroff --force
UNIT
mkdir -p "$folder/etc/systemd/system/multi-user.target.wants"
ln -sf ../trial.service "$folder/etc/systemd/system/multi-user.target.wants/trial.service"
cat >"$folder/trial.sh" <<'SCRIPT'
#!/usr/bin/env bash
set -euo pipefail
until_ok() { for _ in {1..300}; do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "in vain: $*"; exit 1; }
shows() { systemctl show favorites-node --property "$1" --value; }
ready() { until_ok curl -sf "http://127.0.0.1:$1/health/ready"; }
is() { if [ "$2" = "$3" ]; then echo "ok: $1: $2"; else echo "$1 is $2, not $3"; exit 1; fi; }

systemd-sysusers
chgrp -R favorites /etc/favorites
favorites broker --partitions 8 --bootstrap-file /run/bootstrap >/dev/null 2>&1 &
until_ok test -s /run/bootstrap
sed -i "s/^  brokers: .*/  brokers: $(</run/bootstrap)/" /etc/favorites/favorites.yaml
echo FAVORITES_NODE_ZONE=zone-1 >/etc/favorites/node.env
favorites topics create --config /etc/favorites/favorites.yaml --partitions 8 --replication-factor 3 >/dev/null
rm -rf /tmp/offer
favorites generate --events 2000 --out /tmp/offer >/dev/null 2>&1
favorites publish /tmp/offer --kafka-brokers "$(</run/bootstrap)" >/dev/null 2>&1
systemctl daemon-reload
systemctl start favorites-node favorites-router
ready 8082
ready 8081
until_ok curl -sf 'http://127.0.0.1:8080/v1/api/app/myt/soccer?teamIds=so0-t2'
echo "ok: an answer: $(curl -s 'http://127.0.0.1:8080/v1/api/app/myt/soccer?teamIds=so0-t2' | cut -c 1-60)…"
systemctl stop favorites-node
is "the end after SIGTERM" "$(shows Result) $(shows ExecMainStatus)" "success 0"
[ -n "$(ls /var/lib/favorites/node/snapshots/events-*.snapshot)" ] && echo "ok: it has written snapshots"
systemctl start favorites-node
ready 8082
kill -9 "$(shows MainPID)"
for _ in {1..100}; do [ "$(shows NRestarts)" = 1 ] && break; sleep 0.1; done
is "starts after kill -9" "$(shows NRestarts)" 1
ready 8082
echo "nonsense: 1" >>/etc/favorites/favorites.yaml
systemctl restart favorites-node || true
for _ in {1..100}; do [ "$(shows ActiveState)" = failed ] && break; sleep 0.1; done
is "with a wrong setting" "$(shows ActiveState) $(shows ExecMainStatus)" "failed 64"
echo "trial: done"
SCRIPT
chmod 755 "$folder/trial.sh"
timeout 120 systemd-nspawn --quiet --directory="$folder" --private-network --register=no --keep-unit --boot >"$folder.boot.log" 2>&1 || true
cat "$folder/trial.log"
grep -q '^trial: done$' "$folder/trial.log" || fail "not done; its start: $folder.boot.log"
