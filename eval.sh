#!/usr/bin/env bash
# Step 6: the 12 COCO metrics of a checkpoint. All options: ./eval.sh -h
set -euo pipefail

root=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
exec "$python" -I "$root/hand_detection/run.py" evaluate "$@"
