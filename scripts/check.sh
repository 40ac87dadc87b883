#!/usr/bin/env bash
# What `cargo check` of the crate with all namespaces costs, without TLS and with the default one: CPU seconds of a clean
# check, of the dependencies and of the crate itself, crates in the tree, lines of the crate.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0

user_seconds() {
    local TIMEFORMAT='%U'
    { time "$@" >/dev/null 2>"$target.log"; } 2>&1
}

cargo fetch --quiet
printf '%-40s %8s %16s %8s %8s\n' features 'all, s' 'the crate, s' crates lines
lines=$(find src -name '*.rs' -print0 | xargs -0 cat | wc -l)
for features in "--no-default-features --features full" "--features full"; do
    rm -rf "$target"
    # shellcheck disable=SC2086
    all=$(user_seconds cargo check -p openrouter-kit --lib $features)
    touch src/lib.rs
    # shellcheck disable=SC2086
    own=$(user_seconds cargo check -p openrouter-kit --lib $features)
    # shellcheck disable=SC2086
    crates=$(cargo tree -p openrouter-kit $features -e normal --prefix none | sed 's/ (.*//' | sort -u | grep -c .)
    printf '%-40s %8s %16s %8s %8s\n' "$features" "$all" "$own" "$crates" "$lines"
done
rm -f "$target.log"
