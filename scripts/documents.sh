#!/usr/bin/env bash
# Takes API documents one after the other in a copy of the tree, as `codegen -- --spec` does, and compiles the library, its
# helpers and the tests with each. Slow: a few minutes a document.
#
#   scripts/documents.sh FILE...            the library and the tests: no document may need a change by hand
#   scripts/documents.sh --older FILE...    the library alone, for documents from before the tree's
set -euo pipefail
cd "$(dirname "$0")/.."
targets="--tests"
[ "${1-}" = --older ] && { targets="--lib"; shift; }
[ $# -gt 0 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard | tar cf - -T - | tar xf - -C "$copy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
for document in "$@"; do
  document=$(realpath "$document")
  start=$SECONDS
  cargo run -q -p codegen -- --spec "$document" --out "$copy" | head -1
  (cd "$copy" && cargo check -q -p openrouter-kit --all-features $targets)
  echo "$(basename "$document"): compiles, $((SECONDS - start)) s"
done
