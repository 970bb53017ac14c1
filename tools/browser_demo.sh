#!/usr/bin/env bash
# Detection in the browser, on a page served to this machine alone. tools/browser_demo.sh -h
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
PYTHONPATH=$root exec "$python" -m hand_detection.browser_demo "$@"
