#!/usr/bin/env bash
# Checks the imports of the crate against its layers (ARCHITECTURE.md), and the files of the core for circles.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run -q -p codegen --bin layers
