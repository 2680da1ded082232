# The cache before the routers. Answers say themselves how long they may be kept (Cache-Control, ETag, Vary); these rules
# only choose a router, and keep a router that stops or cannot answer from being seen.
vcl 4.1;

import directors;
import std;

# A router that does not know enough to answer says 503, so this asks for an answer of nothing, which needs one live node.
probe answers {
    .url = "/v1/api/app/myt/soccer?teamIds=probe";
    .interval = 1s;
    .timeout = 1s;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

backend router_1 {
    .host = "router-1";
    .port = "8080";
    .probe = answers;
    .connect_timeout = 500ms;
    .first_byte_timeout = 3s;
}

backend router_2 {
    .host = "router-2";
    .port = "8080";
    .probe = answers;
    .connect_timeout = 500ms;
    .first_byte_timeout = 3s;
}

sub vcl_init {
    new routers = directors.round_robin();
    routers.add_backend(router_1);
    routers.add_backend(router_2);
}

sub vcl_recv {
    set req.backend_hint = routers.backend();
    # While a router answers, an answer is given out late by two seconds at most; else by as long as it is kept.
    if (std.healthy(req.backend_hint)) {
        set req.grace = 2s;
    }
}

sub vcl_backend_fetch {
    # A second try goes to the other router.
    if (bereq.retries > 0) {
        set bereq.backend = routers.backend();
    }
}

sub vcl_backend_response {
    # It stops, or has lost its nodes: the other one may not have.
    if (beresp.status == 503 && bereq.retries == 0) {
        return (retry);
    }
    # For a minute where no router answers. Errors are not kept (no-store), so none is given out late.
    set beresp.grace = 60s;
    set beresp.keep = 60s;
}

sub vcl_backend_error {
    if (bereq.retries == 0) {
        return (retry);
    }
}
