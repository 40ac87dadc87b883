#!/usr/bin/env bash
# What `cargo check` of the crate with all namespaces costs: CPU seconds of a clean check, of the dependencies and of the
# crate itself, crates in the tree, lines of the crate. Default TLS and HTTP/2 included.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0

user_seconds() {
    local TIMEFORMAT='%U'
    { time "$@" >/dev/null 2>"$target/log"; } 2>&1
}

cargo fetch --quiet
all=$(user_seconds cargo check -p openrouter-kit --lib --features full)
touch src/lib.rs
own=$(user_seconds cargo check -p openrouter-kit --lib --features full)
crates=$(cargo tree -p openrouter-kit --features full -e normal --prefix none | sed 's/ (.*//' | sort -u | grep -c .)
lines=$(find src -name '*.rs' -print0 | xargs -0 cat | wc -l)
printf '%s s of CPU with all dependencies, %s s for the crate itself; %s crates, %s lines\n' "$all" "$own" "$crates" "$lines"
