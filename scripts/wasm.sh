#!/usr/bin/env bash
# Tests the crate in WebAssembly (wasm32-unknown-unknown): it compiles without the default transport, and calls work by
# `fetch`. Needs the target, and for the calls node and wasm-bindgen-test-runner (package wasm-bindgen-cli).
set -euo pipefail
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    echo "skipped: the target $target is not installed (rustup target add $target)"
    exit 0
fi
cargo check -p openrouter-kit --lib --no-default-features --features full --target "$target"
cargo check -p openrouter-kit --lib --no-default-features --features full,reqwest --target "$target"
for program in node wasm-bindgen-test-runner; do
    if ! command -v "$program" >/dev/null; then
        echo "skipped: calls from WebAssembly, since $program is not installed"
        exit 0
    fi
done
cd tests/wasm
coproc server { node server.mjs; }
trap 'kill "$server_PID"' EXIT
read -r OPENROUTER_WASM_SERVER <&"${server[0]}"
export OPENROUTER_WASM_SERVER
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner cargo test --target "$target"
