#!/bin/sh
# Unpacks the registry that tests push images into, docker-registry of Debian, into out/registry. Installs nothing.
set -eu
cd "$(dirname "$0")/.."
command -v docker-registry >/dev/null && exit 0
[ -x out/registry/usr/bin/docker-registry ] && exit 0
command -v apt-get >/dev/null || { echo "the tests need docker-registry of Debian or Ubuntu in PATH" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && { apt-get -qq download docker-registry 2>/dev/null || { apt-get -qq update && apt-get -qq download docker-registry; }; }) ||
    { echo "apt-get cannot download docker-registry: install it by hand" >&2; exit 1; }
mkdir -p out/registry
dpkg-deb --extract "$folder"/docker-registry_*.deb out/registry
