#!/usr/bin/env bash
# Compares trained runs on the same frames, and says whether they differ. tools/compare.sh -h
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")")
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
exec "$python" -I "$root/hand_detection/run.py" compare "$@"
