#!/usr/bin/env bash
# Draws COUNT mutants of the generated code (default 100) with SEED (default 1) and reports which of them the tests kill, in a
# copy of the repository without the API document. The same numbers draw the same mutants.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run -q -p codegen --bin mutate -- "${1:-100}" "${2:-1}"
