#!/usr/bin/env bash
# Step 8: detect hands in images, and draw them. All options: ./detect_image.sh -h
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
PYTHONPATH=$root exec "$python" -m hand_detection.detect_image "$@"
