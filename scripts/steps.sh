# Sourced by the other scripts: runs a command under a label and says how long it took. With SUMMARY=1 the script ends
# with one line for each step.

steps_done=()
step_running=""

step() {
    local label="$1" began=$SECONDS
    shift
    step_running="$label"
    printf '\n==> %s\n    %s\n' "$label" "$*"
    "$@"
    step_running=""
    steps_done+=("$(printf '%5d s  %s' $((SECONDS - began)) "$label")")
    printf '<== %s: %d s\n' "$label" $((SECONDS - began))
}

steps_summary() {
    local status=$?
    printf '\n%s\n' "$(basename "$0"): steps"
    [ ${#steps_done[@]} -eq 0 ] || printf '%s\n' "${steps_done[@]}"
    if [ $status -eq 0 ]; then
        printf '%s: everything passed, %d s\n' "$(basename "$0")" $SECONDS
    else
        printf '%s: FAILED in "%s" with code %d, after %d s\n' "$(basename "$0")" "$step_running" $status $SECONDS
    fi
}
