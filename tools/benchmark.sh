#!/usr/bin/env bash
# Measures exported models on this machine: latency, throughput, memory. tools/benchmark.sh -h
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
PYTHONPATH=$root exec "$python" -m hand_detection.benchmark "$@"
