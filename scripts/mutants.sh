#!/usr/bin/env bash
# Changes one expression of the code at a time and runs the tests, which must fail. See docs/mutants.md. A mutant takes about
# half a minute, so a run is a shard of a part, by its number.
#
#     scripts/mutants.sh core 0/40          src/core, src/errors, src/hooks: the first of 40 shards
#     scripts/mutants.sh helpers 7/20       src/helpers
#     scripts/mutants.sh codegen 3/60       the generator
#     scripts/mutants.sh core 0/1 -f src/core/retry.rs      one file
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
part=$1 shard=$2
shift 2
cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is not installed: cargo install cargo-mutants"; exit 1; }
# Few namespaces, but all of the core and the hooks: they compile in a third of the time.
few=mock,chat,models,embeddings,responses,messages,tracing,tls,tls-aws-lc-rs,roots-platform,http2,socks,rustls-config,schemars,reqwest,blocking
case $part in
core)
  files=(-f 'src/core/**/*.rs' -f 'src/errors/**/*.rs' -f 'src/hooks/**/*.rs' -f src/blocking.rs)
  options=(-p openrouter-kit --no-default-features --features "$few" --cargo-arg=--lib --cargo-arg=--test=it)
  ;;
helpers)
  files=(-f 'src/helpers/**/*.rs' -f src/oauth.rs)
  options=(-p openrouter-kit --all-features --cargo-arg=--lib --cargo-arg=--test=it)
  ;;
codegen)
  files=(-f 'codegen/src/**/*.rs')
  options=(-p codegen --cargo-arg=--lib --cargo-arg=--test=golden --cargo-arg=--test=update)
  ;;
*)
  echo "core, helpers or codegen"
  exit 2
  ;;
esac
[ $# -eq 0 ] || files=("$@")
exec cargo mutants --shard "$shard" --sharding round-robin "${files[@]}" "${options[@]}"
