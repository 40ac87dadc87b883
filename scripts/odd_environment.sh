#!/usr/bin/env bash
# Runs a command in an environment that is unlike the one at hand, as programs meet them in companies and containers:
# proxies, keys and base URLs are set, variables are not UTF-8, there is no rustfmt, and nothing can be downloaded.
#
#     scripts/odd_environment.sh cargo test --workspace --all-features
set -euo pipefail
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# The toolchain itself and not rustup, without its other components. The system's folders have the linker.
for tool in cargo rustc rustdoc; do
  ln -s "$(rustc --print sysroot)/bin/$tool" "$tools/$tool"
done
status=0
env -u NO_PROXY -u no_proxy \
  PATH="$tools:/usr/bin:/bin" CARGO_NET_OFFLINE=true \
  HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=socks5://127.0.0.1:9 \
  http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=$'socks5://127.0.0.1:9/\xff' \
  OPENROUTER_API_KEY=$'sk-\xff' OPENROUTER_BASE_URL=http://127.0.0.1:9/wrong OPENROUTER_DEBUG=1 \
  OPENROUTER_HTTP_REFERER=$'\xff' OPENROUTER_APP_TITLE=$'\xff' OPENROUTER_APP_CATEGORIES='!' \
  SSL_CERT_FILE=/nonexistent SSL_CERT_DIR=/nonexistent SSLKEYLOGFILE=/nonexistent/keys \
  RUST_LOG=trace,hyper=off TZ=Asia/Kathmandu COLUMNS=1 ODD=$'\xff\xfe' \
  "$@" || status=$?
exit "$status"
