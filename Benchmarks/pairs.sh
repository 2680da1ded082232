# Sourced after lib.sh: two servers on the same work, in turn, and what comes out of it.

rounds=${ROUNDS:-5}
round_seconds=${ROUND_SECONDS:-2}
connections=${CONNECTIONS:-32}
[ ${#processors[@]} -ge 2 ] || fail "needs two processors: one for the server, one for the load generator"
server=${processors[0]} generator=${processors[1]}
load_program=${LOAD_BIN:-$(Benchmarks/build.sh favorites-load 2>"$work/build.log")} ||
    fail "favorites-load does not build: $(tail -n 5 "$work/build.log")"

# request_paths COUNT EVENTS TEAMS: COUNT different `mym` requests of EVENTS event ids and TEAMS team ids, one a line, by a
# seed. Ids are those of the offer's soccer; teams have a match ahead.
request_paths() {
    all_event_ids >"$work/all-events"
    all_team_ids >"$work/all-teams"
    awk -v count="$1" -v events="$2" -v teams="$3" '
        # Not rand(), which is another one in every awk.
        function random(below) {
            state = (state * 16807) % 2147483647
            return int(state / 2147483647 * below)
        }
        function list(ids, known, wanted,    taken, text, id, n) {
            for (n = 0; n < wanted;) {
                id = ids[random(known)]
                if (id in taken) continue
                taken[id]
                text = text (n++ ? "," : "") id
            }
            return text
        }
        BEGIN { state = 20260314 }
        FNR == NR { event[known_events++] = $1; next }
        { team[known_teams++] = $1 }
        END {
            for (n = 0; n < count; n++) {
                path = "/v1/api/app/mym/soccer?eventIds=" list(event, known_events, events)
                if (teams) path = path "&teamIds=" list(team, known_teams, teams)
                print path
            }
        }' "$work/all-events" "$work/all-teams"
}

# save_answers BASE PATHS FOLDER: the bodies of the file PATHS, as FOLDER/0.json, FOLDER/1.json and so on.
save_answers() {
    mkdir -p "$3"
    awk -v base="$1" -v folder="$3" '
        { printf "url = \"%s%s\"\noutput = \"%s/%d.json\"\n", base, $1, folder, NR - 1 }' "$2" >"$work/curl.config"
    curl -sf -K "$work/curl.config" || fail "an answer is missing at $1"
}

# The paths of the files of a folder that save_answers filled.
file_paths() {
    awk '{ printf "/%d.json\n", NR - 1 }' "$1"
}

# same_answers ONE OTHER WHO: fails where a body differs.
same_answers() {
    diff -rq "$1" "$2" >"$work/diff.log" || fail "$3 does not answer the same bytes: $(head -n 3 "$work/diff.log")"
}

# busy US SECONDS: what of SECONDS a server that ran for US microseconds was busy, in percent.
busy() { awk -v us="$1" -v seconds="$2" 'BEGIN { printf "%.0f", us / seconds / 10000 }'; }

# load BASE SECONDS IDS OPTION…: a closed loop from the generator's processor; the options say what is asked for. Prints
# requests a second, the microseconds for each that the processes IDS ran, and how busy they were. Every answer must come
# and be 200 or 304. The generator spins: one that sleeps is woken by the server, on the server's time.
load() {
    local base=$1 seconds=$2 us
    # shellcheck disable=SC2206
    local ids=($3)
    shift 3
    us=$(cpu_us "${ids[@]}")
    taskset -c "$generator" "$load_program" --target "${base#http://}" --connections "$connections" \
        --seconds "$seconds" --warm-up 0 --spin --quiet --json "$work/load.json" "$@" >"$work/load.log" 2>&1 ||
        fail "requests failed at $base: $(cat "$work/load.log")"
    us=$(($(cpu_us "${ids[@]}") - us))
    awk -v us="$us" -v busy="$(busy "$us" "$seconds")" '
        /^  "requests" : / { count = $3 + 0 }
        /^  "rate" : / { rate = $3 }
        END {
            if (!count) exit 1
            printf "%.0f %.2f %s\n", rate, us / count, busy
        }' "$work/load.json" || fail "no answer from $base"
}

# load_by_wrk BASE PATHS SECONDS: requests a second as another generator sees them.
load_by_wrk() {
    PATHS=$2 taskset -c "$generator" wrk -t1 -c"$connections" -d"${3}s" -s Benchmarks/paths.lua "$1" >"$work/wrk.log" 2>&1 ||
        fail "$(cat "$work/wrk.log")"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.log" || fail "requests failed at $1"
    awk '/Requests\/sec/ { printf "%.0f\n", $2 }' "$work/wrk.log"
}

# compare_rate MEASURE BAR OURS PEER: requests (or values) a second. compare_cpu: microseconds of the servers' processors
# for each request. OURS and PEER are commands that print figures as `load` does; they run in turn, `rounds` times, who
# goes first changing from pair to pair. Prints a table and adds a row to the results.
#
# Where a server was not busy all the time the generator, or something else on the machine, was the limit, and rates say
# less than what the servers' processors needed: then that ratio is a row too.
compare_rate() {
    run_pairs "$3" "$4"
    report "$1" "$2" '$1' '$4' "/s"
    [ "$(awk '$3 < 85 || $6 < 85' "$work/pairs" | wc -l)" -eq 0 ] ||
        report "$1; by the servers' processor time" "$2" '1e6 / $2' '1e6 / $5' "per s of processor"
}

compare_cpu() {
    run_pairs "$3" "$4"
    report "$1" "$2" '$2' '$5' "µs"
}

# run_pairs OURS PEER: into $work/pairs, a line for each round.
run_pairs() {
    local round first second
    : >"$work/pairs"
    $1 >/dev/null
    $2 >/dev/null
    for ((round = 1; round <= rounds; round++)); do
        if ((round % 2)); then
            first=$($1)
            second=$($2)
        else
            second=$($2)
            first=$($1)
        fi
        echo "$first $second" >>"$work/pairs"
    done
}

# report MEASURE BAR OURS PEER UNIT: OURS and PEER are what awk makes of a line of the pairs.
report() {
    local ours peer ratio
    ours=$(awk "{ printf \"%.2f\\n\", $3 }" "$work/pairs" | spread)
    peer=$(awk "{ printf \"%.2f\\n\", $4 }" "$work/pairs" | spread)
    ratio=$(awk "{ printf \"%.3f\\n\", ($3) / ($4) }" "$work/pairs" | spread)
    printf '\n%s (%s; %d rounds)\n' "$1" "${2:-no bar}" "$rounds"
    printf '  %-8s %12s %12s %12s\n' '' median least most
    # shellcheck disable=SC2086
    printf '  %-8s %12s %12s %12s  %s\n' ours $ours "$5" peer $peer "$5" ratio $ratio ''
    awk '{ printf "  busy: ours %s %%, peer %s %%\n", $3, $6 }' "$work/pairs" | sort | uniq -c | sort -rn | head -n 1 | cut -c 9-
    # shellcheck disable=SC2086
    result_row "$1" "${ours%% *} $5" "${peer%% *} $5" $ratio "$2" "$bench_command"
}

# How this script is called by hand, for the results.
bench_command="Benchmarks/$(basename "$0")"

# peer NAME WHAT COMMAND…: starts a peer and waits until WHAT, words of a command, succeeds. Sets `peer_id`.
peer() {
    local name=$1 ready=$2
    shift 2
    background "$name" "$@"
    peer_id=$!
    # shellcheck disable=SC2086
    wait_for 15 "$name" $ready
}

# The ids of the processes of an nginx: master and worker.
nginx_ids() { echo "$1 $(pgrep -P "$1" | tr '\n' ' ')"; }
