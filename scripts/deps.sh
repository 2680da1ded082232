#!/usr/bin/env bash
# Installs the Debian packages the project needs: `deps.sh` for building and running, `deps.sh test` for the tests too,
# `deps.sh bench` for the benchmarks' peers too, `deps.sh deploy` for the cluster and the checks of deploy/ too. Does
# nothing where all are there.
set -euo pipefail

build=(g++ make pkg-config liblz4-dev librdkafka-dev libsimdjson-dev libssl-dev libxxhash-dev zlib1g-dev)
tests=(curl iproute2 nftables nginx-light python3 valgrind varnish)
bench=(lz4 wrk liburcu-dev libtbb-dev libdeflate-dev libisal-dev redis-server redis-tools libnginx-mod-http-lua lua-nginx-redis)
deploy=(binutils curl prometheus python3-venv python3-yaml shellcheck systemd varnish yamllint)

wanted=("${build[@]}")
case "${1:-build}" in
build) ;;
test) wanted+=("${tests[@]}") ;;
bench) wanted+=("${tests[@]}" "${bench[@]}") ;;
deploy) wanted+=("${deploy[@]}") ;;
*)
    echo "usage: $0 [build|test|bench|deploy]" >&2
    exit 64
    ;;
esac

if ! command -v swift >/dev/null; then
    echo "deps: no swift on the PATH; install Swift 6.3 or newer from https://www.swift.org/install/linux/" >&2
    exit 69
fi
if ! command -v apt-get >/dev/null; then
    echo "deps: not a Debian system; install what these packages hold by hand: ${wanted[*]}" >&2
    exit 69
fi

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "deps: all ${#wanted[@]} Debian packages are there"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: needs root; run: apt-get install ${missing[*]}" >&2
        exit 69
    fi
    as_root=(sudo)
fi

echo "deps: installing ${#missing[@]} of ${#wanted[@]} Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
echo "deps: done"
