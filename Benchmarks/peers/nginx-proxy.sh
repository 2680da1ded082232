#!/usr/bin/env bash
# nginx in front of one upstream, with kept connections: the limit for a hop. One worker, no log, nothing on disk.
#
#     Benchmarks/peers/nginx-proxy.sh CORE PORT FOLDER UPSTREAM_PORT    pinned to CORE, on 127.0.0.1:PORT
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/nginx.sh"
[ $# -eq 4 ] || { echo "usage: $0 CORE PORT FOLDER UPSTREAM_PORT" >&2; exit 64; }
nginx_run "$1" "$3" <<CONF
    upstream files {
        server 127.0.0.1:$4;
        keepalive 256;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:$2 backlog=1024;
        location / {
            proxy_pass http://files;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
            proxy_max_temp_file_size 0;
        }
    }
CONF
