#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a while, from seeds made of the policies and scripts of this repository.
# Prints one line for each target; ends with 1 if one found something.
#
#   bash fuzz/run.sh [SECONDS] [TARGET...]
set -u
cd "$(dirname "$0")"

seconds=${1:-20}
shift $(($# > 0 ? 1 : 0))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parser yaml prover script)

cargo build --locked || exit 1
built=../target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/debug

# seeds TARGET FILES...: copies them into the target's corpus; large ones would only slow it down.
seeds() {
    local corpus=corpus/$1 file
    shift
    mkdir -p "$corpus"
    for file in "$@"; do
        [ "$(wc -c <"$file")" -gt 8192 ] || cp "$file" "$corpus/$(echo "$file" | tr / _)"
    done
}
seeds parser ../policies/*.policy ../policies/*/*.policy ../tests/policies/broken/*.policy
seeds script ../policies/scripts/*.rhai
seeds prover
mkdir -p corpus/yaml
# The guide has every statement in YAML.
awk '/^```yaml$/ { out = sprintf("corpus/yaml/guide-%02d", ++n); next } /^```$/ { out = "" } out { print > out }' ../docs/yaml.md

failed=0
for target in "${targets[@]}"; do
    mkdir -p "artifacts/$target"
    log=artifacts/$target.log
    "$built/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -dict=words.dict \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" "corpus/$target" >"$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    if [ $status -eq 0 ]; then
        echo "fuzz $target: ok, ${runs:-0} runs"
    else
        echo "fuzz $target: FAILED with $status after ${runs:-0} runs; the end of fuzz/$log:"
        tail -n 40 "$log"
        failed=1
    fi
done
exit $failed
