#!/usr/bin/env bash
# Prints the tables of docs/performance.md but those of the footprint: this crate compared with the floors and its peers, gateways,
# allocations, many streams and long ones. Run it on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../benches/compare"
cargo build --quiet --release -p clients -p gateway
release=${CARGO_TARGET_DIR:-target}/release
"$release/compare"
"$release/gateways"
cd ../..
cargo bench --quiet -p openrouter-kit-benches --bench memory
cargo bench --quiet -p openrouter-kit-benches --bench speed -- concurrent growth
