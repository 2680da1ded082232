# Sourced by the other scripts: runs a command under a label and says how long it took. The outermost script ends with
# one line for each step, those of the scripts that it calls included.

steps_are_outermost=""
if [ -z "${STEPS_LOG:-}" ]; then
    STEPS_LOG=$(mktemp)
    export STEPS_LOG
    steps_are_outermost=yes
fi
step_running=""

step() {
    local label="$1" began=$SECONDS
    shift
    step_running="$label"
    printf '\n==> %s\n    %s\n' "$label" "$*"
    "$@"
    step_running=""
    printf '%5d s  %s\n' $((SECONDS - began)) "$label" >>"$STEPS_LOG"
    printf '<== %s: %d s\n' "$label" $((SECONDS - began))
}

# To be called by the trap on EXIT.
steps_summary() {
    local status=$? name
    name=$(basename "$0")
    if [ $status -ne 0 ] && [ -n "$step_running" ]; then
        printf '%s: FAILED in "%s" with code %d\n' "$name" "$step_running" $status
    fi
    [ -n "$steps_are_outermost" ] || return 0
    printf '\n%s: steps\n' "$name"
    cat "$STEPS_LOG"
    rm -f "$STEPS_LOG"
    if [ $status -eq 0 ]; then
        printf '%s: everything passed, %d s\n' "$name" $SECONDS
    else
        printf '%s: FAILED after %d s\n' "$name" $SECONDS
    fi
}
