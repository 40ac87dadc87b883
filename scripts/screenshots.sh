#!/usr/bin/env bash
# Writes docs/pictures anew: records examples against the local server, opens the recordings in the viewer with a Chromium
# without a window, and takes pictures in light, dark and narrow.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OPENROUTER_DEVTOOLS=1 OPENROUTER_DEVTOOLS_DIR="$folder/.openrouter/devtools"
unset OPENROUTER_API_KEY OPENROUTER_BASE_URL
cargo build -p openrouter-kit --all-features --example agent_loop --example errors --example messages \
  --example prompt_caching --example rag --example reasoning --example retries_and_timeouts --example structured_output \
  --example tools_streamed --example vision --example weather_tool
for example in agent_loop errors messages prompt_caching rag reasoning structured_output tools_streamed vision \
  weather_tool retries_and_timeouts; do
  "${CARGO_TARGET_DIR:-target}/debug/examples/$example" >/dev/null 2>&1 </dev/null || true
done
unset OPENROUTER_DEVTOOLS OPENROUTER_DEVTOOLS_DIR
# The examples are quick; this one was slow, and tried twice.
cp cli/tests/recordings/weather-1.jsonl "$folder/.openrouter/devtools"
mkdir -p docs/pictures
SCREENSHOTS="$PWD/docs/pictures" SCREENSHOTS_OF="$folder" \
  cargo test -p openrouter-kit-cli --all-features --test it -- --ignored viewer::screenshots
find docs/pictures -name '*.png' -size +200k | { ! grep .; } || { echo "a picture has more than 200 KB"; exit 1; }
