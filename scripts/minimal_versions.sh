#!/usr/bin/env bash
# Checks that the versions that Cargo.toml asks for are enough: the lowest of each direct dependency is resolved in a copy of
# the crate, and the library is checked with them.
set -euo pipefail
cd "$(dirname "$0")/.."
# Next to the other builds, since a folder for temporary files may be small.
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
copy=$(mktemp -d "$(cd "$target" && pwd)/minimal_versions.XXXXXX")
trap 'rm -rf "$copy"' EXIT
unset CARGO_TARGET_DIR
git archive HEAD Cargo.toml src README.md docs examples | tar -x -C "$copy"
cd "$copy"
# Only the library: the other members of the workspace have dependencies of their own.
sed -i '/^\[workspace\]$/,/^$/c\[workspace]\n' Cargo.toml
sed -i '/^\[\[example\]\]$/,/^$/d' Cargo.toml
sed -i '/^\[dev-dependencies\]$/,/^$/d' Cargo.toml
rm -r examples
# The option is not stable; nothing else of the nightly compiler is used.
RUSTC_BOOTSTRAP=1 cargo update -q -Z direct-minimal-versions
features=full,mcp,sqlite,postgres,mock,http2,socks,reqwest,blocking,schemars,roots-platform,rustls-config
cargo check -q --lib --features "$features"
echo "the lowest versions of Cargo.toml compile"
