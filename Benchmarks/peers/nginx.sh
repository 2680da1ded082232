# Sourced by the peers that are nginx: one worker, no log, everything it writes in one folder.

# nginx_run CORE FOLDER: runs nginx, pinned to the processor CORE, with one worker and what stands on stdin as the body of
# its `http` block. It stays in the foreground, so whoever started it can end it by its id. Modules are named in MODULES.
nginx_run() {
    local core=$1 folder=$2 module
    mkdir -p "$folder/tmp"
    {
        for module in ${MODULES:-}; do echo "load_module /usr/lib/nginx/modules/$module.so;"; done
        cat <<CONF
worker_processes 1;
daemon off;
pid $folder/pid;
error_log $folder/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    default_type application/json;
    client_body_temp_path $folder/tmp/body;
    proxy_temp_path $folder/tmp/proxy;
    fastcgi_temp_path $folder/tmp/fastcgi;
    uwsgi_temp_path $folder/tmp/uwsgi;
    scgi_temp_path $folder/tmp/scgi;
CONF
        cat
        echo "}"
    } >"$folder/nginx.conf"
    exec taskset -c "$core" nginx -p "$folder" -e "$folder/error.log" -c "$folder/nginx.conf"
}
