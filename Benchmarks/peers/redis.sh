#!/usr/bin/env bash
# Redis on TCP and on a Unix socket, FOLDER/redis.sock: nothing saved, nothing logged, one thread.
#
#     Benchmarks/peers/redis.sh CORE PORT FOLDER    pinned to CORE, on 127.0.0.1:PORT
#
# `redis-values.py` fills it.
set -euo pipefail
[ $# -eq 3 ] || { echo "usage: $0 CORE PORT FOLDER" >&2; exit 64; }
mkdir -p "$3"
# Socket and folder are for nginx' worker too, which is another user where root starts this.
chmod 755 "$(dirname "$3")" "$3"
exec taskset -c "$1" redis-server --bind 127.0.0.1 --port "$2" --unixsocket "$3/redis.sock" --unixsocketperm 777 \
    --dir "$3" --save '' --appendonly no --io-threads 1 --tcp-backlog 511 --loglevel warning --latency-tracking no
