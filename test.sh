#!/usr/bin/env bash
# Runs the tests, after installing into .venv if need be.
#
#   ./test.sh [PYTEST OPTIONS]     e.g. ./test.sh -m "not slow", or ./test.sh tests/test_kitti.py
#
# Test files run side by side, at most four at once; -n 0 runs them one after another.
set -euo pipefail

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")"
./install.sh --deploy
fail() { echo "error: $1" >&2; exit 1; }
# shellcheck source=tools/venv.sh
source tools/venv.sh
add_requirements tests/requirements.lock
# A file's tests stay together, since they share what they train and export; slow files first.
exec .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
  --no-loadscope-reorder "$@"
