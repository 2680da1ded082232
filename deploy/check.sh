#!/usr/bin/env bash
# Checks everything under deploy/, as CI does, in less than a minute:
#
#     lint     linters and schemas: yamllint, shellcheck, hadolint, compose's own reader, Kubernetes' schemas, promtool,
#              systemd-analyze, varnishd
#     tests    promtool's tests of the alerts
#     match    what one file says of another: ports, probes, labels, times, packages, alerts and their runbook
#     start    every command line of compose.yaml, of the pods and of the units, given to the program: flags, values, files
#     live     deploy/local/up.sh: the cluster serves, survives kill -9 of a node, and has every metric that alerts,
#              dashboard and autoscaler name
#
#     deploy/check.sh [lint|tests|match|start|live]…      all without arguments
#
# FAVORITES_BIN (.build/release/favorites). Needs scripts/deps.sh deploy; PyPI's tools come into .build/deploy-check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FAVORITES_BIN=${FAVORITES_BIN:-$PWD/.build/release/favorites}
tools=$PWD/.build/deploy-check

[ -x "$FAVORITES_BIN" ] || {
    echo "check.sh: no $FAVORITES_BIN; run \`make release\` first, or set FAVORITES_BIN" >&2
    exit 69
}
if ! cmp -s deploy/requirements.txt "$tools/requirements.txt"; then
    echo "check.sh: installing what deploy/requirements.txt names into $tools"
    rm -rf "$tools"
    /usr/bin/python3 -m venv --system-site-packages "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement deploy/requirements.txt
    cp deploy/requirements.txt "$tools/requirements.txt"
fi
exec "$tools/bin/python" deploy/check.py "$@"
