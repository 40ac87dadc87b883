#!/usr/bin/env bash
# Changes one expression of the code at a time and runs the tests, which must fail. See docs/mutants.md.
#
#     scripts/mutants.sh all                core, errors, hooks and helpers, compiled together: about an hour
#     scripts/mutants.sh all src/errors/    the mutants whose name contains this
#     scripts/mutants.sh codegen 3/60       the generator, the fourth of 60 shards; each mutant is built
#     scripts/mutants.sh core 0/40          src/core, src/errors, src/hooks, each mutant built
#     scripts/mutants.sh helpers 7/20       src/helpers, each mutant built
#     scripts/mutants.sh core 0/1 -f src/core/retry.rs      one file, each mutant built
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" = all ] || [ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
part=$1 shard=${2:-}
cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is not installed: cargo install cargo-mutants"; exit 1; }
core=(-f 'src/core/**/*.rs' -f 'src/errors/**/*.rs' -f 'src/hooks/**/*.rs' -f src/blocking.rs)
helpers=(-f 'src/helpers/**/*.rs' -f src/oauth.rs)
if [ "$part" = all ]; then
  git diff --quiet HEAD -- src tests || { echo "commit the changes of src and tests first: what is committed is tested"; exit 1; }
  mkdir -p target
  cargo mutants --list --json -p openrouter-kit "${core[@]}" "${helpers[@]}" >target/mutants.json
  exec cargo run -q -p codegen --bin mutants -- target/mutants.json target/mutants "$shard"
fi
shift 2
# Few namespaces, but all of the core and the hooks: they compile in a third of the time.
few=mock,chat,models,embeddings,responses,messages,tracing,tls,tls-aws-lc-rs,roots-platform,http2,socks,rustls-config,schemars,reqwest,blocking
case $part in
core)
  files=("${core[@]}")
  options=(-p openrouter-kit --no-default-features --features "$few" --cargo-arg=--lib --cargo-arg=--test=it)
  ;;
helpers)
  files=("${helpers[@]}")
  options=(-p openrouter-kit --all-features --cargo-arg=--lib --cargo-arg=--test=it)
  ;;
codegen)
  files=(-f 'codegen/src/**/*.rs')
  options=(-p codegen --cargo-arg=--lib --cargo-arg=--test=golden --cargo-arg=--test=update)
  ;;
*)
  echo "all, core, helpers or codegen"
  exit 2
  ;;
esac
[ $# -eq 0 ] || files=("$@")
exec cargo mutants --shard "$shard" --sharding round-robin "${files[@]}" "${options[@]}"
