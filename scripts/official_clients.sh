#!/usr/bin/env bash
# Lets the official SDKs for TypeScript and Python, and the clients of OpenAI and Anthropic, call every operation that they
# have of the local server (`openrouter mock`). Prints for each how many operations it called, and fails if any call did.
# Needs node, npm, python3 and the registries; what is missing is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v python3 >/dev/null; then
  echo "skipped: python3 is not installed"
  exit 0
fi

clients=target/clients
mkdir -p "$clients"
cargo build --quiet -p openrouter-kit-cli
binary=${CARGO_TARGET_DIR:-target}/debug/openrouter

log=$(mktemp)
"$binary" mock --pause 0 --jsonl >"$log" &
server=$!
trap 'kill "$server"; rm -f "$log"' EXIT
until [ -s "$log" ]; do kill -0 "$server"; sleep 0.1; done
url=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["url"])' <"$log")
export OPENROUTER_BASE_URL=$url OPENROUTER_API_KEY=sk-or-v1-local
python3 scripts/clients/plan.py >"$clients/plan.json"

failed=0
run() { "$@" "$clients/plan.json" || failed=1; }

if python3 -m venv "$clients/python" && "$clients/python/bin/pip" install --quiet --upgrade openrouter openai anthropic; then
  run "$clients/python/bin/python" scripts/clients/openrouter_sdk.py
  run "$clients/python/bin/python" scripts/clients/others.py
else
  echo "skipped: the Python packages cannot be installed"
fi

if command -v npm >/dev/null && npm install --silent --no-save --prefix "$clients" @openrouter/sdk openai @anthropic-ai/sdk; then
  cp scripts/clients/*.mjs "$clients"
  run node "$clients/openrouter_sdk.mjs"
  run node "$clients/others.mjs"
else
  echo "skipped: node and npm are not installed, or the packages cannot be"
fi

python3 - "$log" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])][1:]
called = {line["operation"] for line in lines if line["status"] < 400}
print(f"{len(lines)} requests to {len(called)} operations, {sum(line['status'] >= 400 for line in lines)} errors")
PYTHON
exit "$failed"
