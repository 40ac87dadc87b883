#!/usr/bin/env bash
# What a program with one streaming call over HTTPS costs to build and to ship: crates in its tree, CPU seconds of a clean
# release build, size of the stripped program, and its size when everything is built to be small.
#
#     scripts/footprint.sh                    all programs of benches/compare/programs
#     scripts/footprint.sh by-hand minimal    these
#     QUICK=1 scripts/footprint.sh            without the build for size
set -euo pipefail
cd "$(dirname "$0")/../benches/compare"
programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    programs=(by-hand minimal default full openrouter-rs async-openai)
fi
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
export CARGO_TARGET_DIR=$target
cargo fetch --quiet

# CPU seconds of a command, children included.
cpu_seconds() {
    local TIMEFORMAT='%U %S'
    { time "$@" >/dev/null 2>"$target/log"; } 2>&1 | awk '{printf "%.0f", $1 + $2}'
}

megabytes() {
    strip -o "$target/stripped" "$1"
    stat -c %s "$target/stripped" | awk '{printf "%.2f", $1 / 1000000}'
}

printf '%-16s %8s %12s %14s %12s\n' program crates 'build, s' 'stripped, MB' 'small, MB'
for program in "${programs[@]}"; do
    package=program-$program
    # The program itself is not counted.
    crates=$(cargo tree -p "$package" -e normal --prefix none | sed 's/ (\*)$//' | sort -u | grep -vc "^$package ")
    rm -rf "$target/release" "$target/small"
    seconds=$(cpu_seconds cargo build --release -p "$package")
    size=$(megabytes "$target/release/$package")
    small=-
    if [ -z "${QUICK:-}" ]; then
        cargo build --quiet --profile small -p "$package"
        small=$(megabytes "$target/small/$package")
    fi
    printf '%-16s %8s %12s %14s %12s\n' "$program" "$crates" "$seconds" "$size" "$small"
done
