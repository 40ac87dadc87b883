#!/usr/bin/env bash
# Checks the types of other crates in the public API against the list in Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
# rustdoc's JSON is not stable; nothing else of the nightly compiler is used.
RUSTC_BOOTSTRAP=1 cargo rustdoc -q -p openrouter-kit --lib --all-features -- -Z unstable-options --output-format json
target=${CARGO_TARGET_DIR:-target}
cargo run -q -p codegen --bin external_types -- "$target/doc/openrouter_kit.json" Cargo.toml
