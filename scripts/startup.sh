#!/usr/bin/env bash
# How long the command line takes to start and to print a first response, compared with other programs of its kind that
# are installed: llm (PyPI) and aichat. All talk to the same local server. The rounds alternate between the programs, so that
# the load of the machine meets all of them; the least of many rounds is what a program needs.
#
#     scripts/startup.sh                              30 rounds
#     ROUNDS=100 scripts/startup.sh
#     OPENROUTER=target/debug/openrouter scripts/startup.sh
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-30}
home=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$home"' EXIT

if [ -z "${OPENROUTER:-}" ]; then
    cargo build --release --quiet -p openrouter-kit-cli
    OPENROUTER=target/release/openrouter
fi
openrouter=$(realpath "$OPENROUTER")
"$openrouter" mock --port 0 >"$home/url" 2>/dev/null &
server=$!
until [ -s "$home/url" ]; do :; done
url=$(cat "$home/url")

export HOME=$home XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/data LLM_USER_PATH=$home/llm NO_COLOR=1
export OPENROUTER_BASE_URL=$url OPENROUTER_API_KEY=sk-or-v1-local OPENAI_API_KEY=sk-local
export DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent
mkdir -p "$home/llm" "$home/config/aichat"
cat >"$home/llm/extra-openai-models.yaml" <<END
- model_id: local
  model_name: a/b
  api_base: $url
END
cat >"$home/config/aichat/config.yaml" <<END
model: local:a/b
clients:
- type: openai-compatible
  name: local
  api_base: $url
  api_key: sk-local
  models:
  - name: a/b
END

names=("openrouter --version" "openrouter Hi")
commands=("$openrouter --version" "$openrouter Hi -m a/b")
if command -v llm >/dev/null; then
    names+=("llm --version" "llm Hi")
    commands+=("llm --version" "llm -m local Hi")
fi
if command -v aichat >/dev/null; then
    names+=("aichat --version" "aichat Hi")
    commands+=("aichat --version" "aichat Hi")
fi

# Milliseconds of a command: elapsed, and CPU with its children.
measure() {
    local TIMEFORMAT='%3R %3U %3S'
    { time $1 </dev/null >/dev/null 2>&1; } 2>&1 | awk '{print $1 * 1000, ($2 + $3) * 1000}'
}

for index in "${!commands[@]}"; do
    ${commands[$index]} </dev/null >/dev/null 2>"$home/log" || { echo "${names[$index]} fails: $(cat "$home/log")" >&2; exit 1; }
done
for ((round = 0; round < rounds; round++)); do
    for index in "${!commands[@]}"; do
        measure "${commands[$index]}" >>"$home/$index"
    done
done

middle() { sort -n | awk '{value[NR] = $1} END {print value[int((NR + 1) / 2)]}'; }
echo "| Program | elapsed, least | elapsed, median | CPU, least | CPU, median |"
echo "| --- | --- | --- | --- | --- |"
for index in "${!commands[@]}"; do
    row="| \`${names[$index]}\` |"
    for column in 1 2; do
        values=$(awk -v column=$column '{print $column}' "$home/$index")
        row+=" $(sort -n <<<"$values" | head -n 1) ms | $(middle <<<"$values") ms |"
    done
    echo "$row"
done
