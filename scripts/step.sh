# Sourced by setup and gates. `step NAME COMMAND...` runs a command, keeps its output in
# target/gates/NAME.log and prints one line: name, result, seconds. A failure prints the log's end.

failed=()

step() {
    local name=$1 log="target/gates/$1.log" start=$SECONDS
    shift
    mkdir -p target/gates
    printf '%-14s' "$name"
    if "$@" >"$log" 2>&1; then
        printf 'ok     %4d s\n' $((SECONDS - start))
    else
        printf 'FAILED %4d s\n' $((SECONDS - start))
        tail -n 150 "$log" | sed 's/^/    /'
        printf '    (all of it: %s)\n' "$log"
        failed+=("$name")
    fi
}

# Ends the script: 0 when every step passed, else 1 and the names.
finish() {
    if ((${#failed[@]} > 0)); then
        printf '%s: failed: %s\n' "$1" "${failed[*]}"
        exit 1
    fi
    printf '%s: all passed in %d s\n' "$1" "$SECONDS"
}
