#!/usr/bin/env bash
# Debian packages of both programs, into target/debian. Needs cargo-deb (`cargo install cargo-deb`) and
# dpkg-dev. Arguments go to cargo-deb, such as --deb-version 0.1.0-2.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --release --locked -p dcnet-gateway -p dcnet-provider
rm -rf target/assets
cargo run -q --locked -p dcnet-tests --bin assets -- target/assets
for package in dcnet-gateway dcnet-provider; do
    cargo deb -q --no-build --locked -p "$package" "$@"
done
