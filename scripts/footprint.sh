#!/usr/bin/env bash
# What a program with one streaming call over HTTPS costs to build and to ship: crates in its tree, CPU seconds of a clean
# release build, size of the stripped program, and its size when everything is built to be small.
#
#     scripts/footprint.sh                    all programs of benches/compare/programs
#     scripts/footprint.sh by-hand minimal    these
#     QUICK=1 scripts/footprint.sh            without the build for size
#     scripts/footprint.sh --check            fails if the minimal program exceeds a limit of benches/compare/footprint.tsv
#     scripts/footprint.sh --record           writes that file anew, in a commit that says why
set -euo pipefail
cd "$(dirname "$0")/../benches/compare"
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
export CARGO_TARGET_DIR=$target
cargo fetch --quiet

# CPU seconds of a command, children included.
cpu_seconds() {
    local TIMEFORMAT='%U %S'
    { time "$@" >/dev/null 2>"$target/log"; } 2>&1 | awk '{printf "%.1f", $1 + $2}'
}

# The size of a program without its symbols.
stripped_bytes() {
    strip -o "$target/stripped" "$1"
    stat -c %s "$target/stripped"
}

megabytes() {
    awk '{printf "%.2f", $1 / 1000000}' <<<"$1"
}

# Builds a program from nothing and sets `crates`, `seconds` and `bytes`.
build() {
    local package=program-$1
    # The program itself is not counted.
    crates=$(cargo tree -p "$package" -e normal --prefix none | sed 's/ (\*)$//' | sort -u | grep -vc "^$package ")
    rm -rf "$target/release" "$target/small"
    seconds=$(cpu_seconds cargo build --release -p "$package")
    bytes=$(stripped_bytes "$target/release/$package")
}

# The minimal program compared with the one by hand, since times differ between machines. Sizes depend on the compiler, which
# is why a newer one needs a new record.
measure() {
    build by-hand
    local by_hand=$seconds
    build minimal
    printf 'crates\t%s\n' "$crates"
    printf 'bytes\t%s\n' "$bytes"
    awk -v own="$seconds" -v other="$by_hand" 'BEGIN {printf "build-ratio\t%.2f\n", own / other}'
}

case "${1:-}" in
--record)
    measure | tee footprint.tsv
    exit
    ;;
--check)
    measure >"$target/now.tsv"
    # Sizes hardly vary; the time of a build varies with what else the machine does.
    awk -F '\t' '
        BEGIN {room["crates"] = 1; room["bytes"] = 1.01; room["build-ratio"] = 1.15}
        NR == FNR {limit[$1] = $2; next}
        {
            over = $2 > limit[$1] * room[$1]
            printf "%-12s %12s, recorded %12s%s\n", $1, $2, limit[$1], over ? "  more than allowed" : ""
            failed += over
        }
        END {exit failed > 0}
    ' footprint.tsv "$target/now.tsv"
    exit
    ;;
esac

programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    programs=(by-hand raw-events minimal default full openrouter-rs async-openai)
fi
printf '%-16s %8s %12s %14s %12s\n' program crates 'build, s' 'stripped, MB' 'small, MB'
for program in "${programs[@]}"; do
    build "$program"
    small=-
    if [ -z "${QUICK:-}" ]; then
        cargo build --quiet --profile small -p "program-$program"
        small=$(megabytes "$(stripped_bytes "$target/small/program-$program")")
    fi
    printf '%-16s %8s %12s %14s %12s\n' "$program" "$crates" "$seconds" "$(megabytes "$bytes")" "$small"
done
