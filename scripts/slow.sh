#!/usr/bin/env bash
# The checks that are too slow for each change: before a release, and each night. `.ci/run` comes first.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

step the minimum Rust version
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if rustup run "$minimum" cargo --version >/dev/null 2>&1; then
  CARGO_TARGET_DIR=target/minimum rustup run "$minimum" cargo test --locked -p openrouter-kit --all-features --test it
else
  echo "skipped: Rust $minimum is not installed (rustup toolchain install $minimum)"
fi

step the crates outside of the workspace compile
for manifest in benches/compare/Cargo.toml fuzz/Cargo.toml; do
  cargo check --locked --manifest-path "$manifest" --workspace --all-targets
done

step the spans and metrics that a collector receives
cargo test --locked --manifest-path examples/opentelemetry/Cargo.toml

step the packages are complete
cargo package --locked -p openrouter-kit -p openrouter-kit-cli

step counts of instructions
cargo bench --locked -p openrouter-kit-benches --bench instructions

step passed
