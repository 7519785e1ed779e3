#!/usr/bin/env bash
# Writes the Python stubs beside src/buhin/<function>/v1 from protos/. With --check: fails where the committed ones differ.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
out=src
[ "${1:-}" = --check ] && out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT
google=$("$python" -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parents[1])')
mapfile -t protos < <(cd protos && find buhin -name '*.proto' | sort)
PATH="$(dirname "$("$python" -c 'import sys; print(sys.executable)')"):$PATH" "$python" -m grpc_tools.protoc -I protos -I "$google" \
  --python_out="$out" --grpc_python_out="$out" --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" "${protos[@]}"
for proto in "${protos[@]}"; do
  for folder in $(dirname "$proto") $(dirname "$(dirname "$proto")"); do touch "$out/$folder/__init__.py"; done
done
if [ "$out" != src ]; then
  for proto in "${protos[@]}"; do
    diff -r "$out/$(dirname "$proto")" "src/$(dirname "$proto")" --exclude=__pycache__ \
      || { echo "the stubs differ from protos/: run 'make protos' and commit the result" >&2; exit 1; }
  done
  echo "stubs: ${#protos[@]} protos, as committed"
fi
