#!/usr/bin/env bash
# Everything that can be tested, on a machine that has Rust: lints, the Rust tests, and clients in Python and
# Node against the program itself. Prints one closing line, `N passed, N failed, N skipped`; exits 1 if anything failed.
#
#   bash tests/all.sh
#
# What is missing and can be had is installed: Debian packages if this is root, Python packages into a virtual
# environment under target/, Node packages into tests/clients/node/node_modules. Logs stay in target/test-logs/.
#
# Apart from the fuzz targets there is one build, the debug profile's: `cargo test` makes the program and the
# examples on the way, so the clients cost no further build, and debug assertions and overflow checks are on in
# the program that they test.
# An optimised build would take as long again as everything else and prove nothing more; benches/ is for that.
set -u
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
logs=$target/test-logs
mkdir -p "$logs"
rm -f "$logs"/*.log
passed=0 failed=0 skipped=0

say() { printf '\n== %s\n' "$*"; }

# run NAME COMMAND...: runs it with its output in a log; the status is the command's.
run() {
    local name=$1 begun=$SECONDS status=0
    shift
    say "$name"
    "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        echo "ok ($((SECONDS - begun)) s)"
    else
        echo "FAILED with $status ($((SECONDS - begun)) s); the end of $logs/$name.log:"
        tail -n 200 "$logs/$name.log"
    fi
    return "$status"
}

# A step that counts as one test.
step() {
    if run "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# add PASSED FAILED SKIPPED STATUS: the counts of a test runner. One that failed without naming a test (it did
# not build, it crashed) counts as one failed.
add() {
    echo "$1 passed, $2 failed, $3 skipped"
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    if [ "$4" -ne 0 ] && [ "$2" -eq 0 ]; then failed=$((failed + 1)); fi
}

# The sum of the numbers that an extended expression finds in front of a word of a log.
sum() { grep -oE "$2" "$logs/$1.log" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }

# ---- what is needed -------------------------------------------------------------------------------------------

packages=()
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || packages+=(python3 python3-venv)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v c++ >/dev/null || packages+=(build-essential)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        run packages sh -c "apt-get update -q && apt-get install -qy --no-install-recommends ${packages[*]}"
    else
        say "missing: ${packages[*]} (only root can install them)"
    fi
fi

# ---- lints and the Rust tests ---------------------------------------------------------------------------------

step format cargo fmt --all --check
step format-fuzz cargo fmt --manifest-path fuzz/Cargo.toml --check
step lints cargo clippy --locked --all-targets -- -D warnings

run rust cargo test --locked --no-fail-fast
status=$?
# Tests that could not run for want of something outside say so; cargo counts them as passed.
grep -E '^skipped: ' "$logs/rust.log" | sort -u
add "$(sum rust '[0-9]+ passed;')" "$(sum rust '[0-9]+ failed;')" "$(sum rust '[0-9]+ ignored;')" "$status"

# ---- fuzzing ----------------------------------------------------------------------------------------------------

# Some seconds for each target: longer hunts are for people (fuzz/README.md). The targets build with the same
# stable Rust; every one that holds counts as one test, and so does every one that does not.
run fuzz bash fuzz/run.sh "${FUZZ_SECONDS:-20}"
status=$?
grep -E '^fuzz [a-z]+: (ok|FAILED)' "$logs/fuzz.log"
add "$(grep -cE '^fuzz [a-z]+: ok' "$logs/fuzz.log")" "$(grep -cE '^fuzz [a-z]+: FAILED' "$logs/fuzz.log")" 0 "$status"

# ---- clients --------------------------------------------------------------------------------------------------

export POINTSMAN_BIN=$target/debug/pointsman POINTSMAN_SIM=$target/debug/examples/sim
run program cargo build --locked --bins --examples || failed=$((failed + 1))

# python_environment: made anew when the list of packages has changed.
venv=$target/clients-venv
python_environment() {
    local wanted=tests/clients/requirements.txt
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        python3 -m venv --clear "$venv" || return 1
        # The list is complete, so nothing has to be resolved.
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$wanted" || return 1
        cp "$wanted" "$venv/installed.txt"
    fi
}
if run python-packages python_environment; then
    run python-clients "$venv/bin/python" -m pytest tests/clients -p no:cacheprovider -q -rs --durations=5
    status=$?
    grep -E '^SKIPPED' "$logs/python-clients.log"
    last=$(tail -n 1 "$logs/python-clients.log")
    count() { grep -oE "[0-9]+ $1" <<<"$last" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }
    add "$(count passed)" "$(($(count failed) + $(count error)))" "$(count skipped)" "$status"
else
    failed=$((failed + 1))
fi

node=tests/clients/node
node_packages() {
    cmp -s $node/package-lock.json $node/node_modules/installed.json && return
    npm ci --prefix $node --no-audit --no-fund --ignore-scripts && cp $node/package-lock.json $node/node_modules/installed.json
}
if run node-packages node_packages; then
    run node-clients npm test --prefix $node
    status=$?
    add "$(sum node-clients '^ℹ pass [0-9]+')" "$(sum node-clients '^ℹ fail [0-9]+')" "$(sum node-clients '^ℹ skipped [0-9]+')" "$status"
else
    failed=$((failed + 1))
fi

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
