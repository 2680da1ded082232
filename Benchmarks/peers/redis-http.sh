#!/usr/bin/env bash
# Redis behind HTTP: nginx with Lua, `mym` answered by redis-http.lua out of a Redis on the same machine, over its Unix
# socket with kept connections. One worker, no log.
#
#     Benchmarks/peers/redis-http.sh CORE PORT FOLDER REDIS_SOCKET NOW_MS    pinned to CORE, on 127.0.0.1:PORT
#
# NOW_MS: the instant at which selection stands still, in ms since 1970, as `favorites serve --clock-fixed` does.
set -euo pipefail
peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$peers/nginx.sh"
[ $# -eq 5 ] || { echo "usage: $0 CORE PORT FOLDER REDIS_SOCKET NOW_MS" >&2; exit 64; }
mkdir -p "$3"
cp "$peers/redis-http.lua" "$3/"
chmod 755 "$(dirname "$3")" "$3"
MODULES="ndk_http_module ngx_http_lua_module" nginx_run "$1" "$3" <<CONF
    lua_package_path "$3/?.lua;;";
    lua_code_cache on;
    init_by_lua_block { require("redis-http").start("unix:$4", $5) }
    server {
        listen 127.0.0.1:$2 backlog=1024;
        location ~ ^/v1/api/app/mym/(?<sport>[a-z]+)\$ {
            content_by_lua_block { require("redis-http").answer() }
        }
    }
CONF
