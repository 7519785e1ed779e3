#!/usr/bin/env bash
# Lints the protos and refuses changes that would break callers of the last release. Needs no registry: buf reads
# descriptor sets. With --release: writes protos/released.binpb, to be committed with a release.
set -euo pipefail
cd "$(dirname "$0")/../protos"
bin=$(cd ../.venv/bin && pwd)
google=$("$bin/python" -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parents[1])')
image=$(mktemp --suffix=.binpb) && trap 'rm -f "$image"' EXIT
mapfile -t protos < <(find buhin -name '*.proto' | sort)
"$bin/python" -m grpc_tools.protoc -I . -I "$google" --include_imports --include_source_info -o "$image" "${protos[@]}"
"$bin/buf" lint "$image"
if [ "${1:-}" = --release ]; then
  "$bin/python" -m grpc_tools.protoc -I . -I "$google" --include_imports -o released.binpb "${protos[@]}"
fi
"$bin/buf" breaking "$image" --against released.binpb
echo "protos: ${#protos[@]} files, lint clean, nothing breaks callers of the last release"
