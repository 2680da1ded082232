#!/usr/bin/env bash
# nginx serving the files of a folder: the limit for HTTP. sendfile, open-file cache, no log, one worker.
#
#     Benchmarks/peers/nginx-file.sh CORE PORT FOLDER FILES    pinned to CORE, on 127.0.0.1:PORT; FOLDER is its own
#
# SENDFILE=on|off (on); TCP_NOPUSH=on|off (on): with `on` the head waits for the file and both leave together, which was
# the faster of the two at every size (docs/decisions/0013-benchmarks.md).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/nginx.sh"
[ $# -eq 4 ] || { echo "usage: $0 CORE PORT FOLDER FILES" >&2; exit 64; }
# The worker is another user where root starts this, and has to enter the folder of the files.
chmod 755 "$(dirname "$3")" "$4"
nginx_run "$1" "$3" <<CONF
    sendfile ${SENDFILE:-on};
    tcp_nopush ${TCP_NOPUSH:-on};
    open_file_cache max=10000 inactive=1h;
    open_file_cache_valid 1h;
    server {
        listen 127.0.0.1:$2 backlog=1024;
        root $4;
        add_header Cache-Control "public, max-age=10";
        add_header Access-Control-Allow-Origin "*";
    }
CONF
