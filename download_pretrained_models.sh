#!/usr/bin/env bash
# Step 2: get the weights that training starts from. All options: ./download_pretrained_models.sh -h
set -euo pipefail

root=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
exec "$python" -I "$root/hand_detection/run.py" pretrained "$@"
