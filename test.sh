#!/usr/bin/env bash
# Runs the tests, after installing into .venv if need be.
#
#   ./test.sh [PYTEST OPTIONS]     e.g. ./test.sh -m "not slow", or ./test.sh tests/test_kitti.py
#
# Test files run side by side, at most four at once; -n 0 runs them one after another.
set -euo pipefail

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  exit 0
fi
cd -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")"
# shellcheck source=tests/setup.sh
source tests/setup.sh
# A file's tests stay together, since they share what they train and export; slow files first.
exec .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
  --no-loadscope-reorder "$@"
