#!/usr/bin/env bash
# Runs the tests, after installing into .venv if need be.
#
#   ./test.sh [PYTEST OPTIONS]     e.g. ./test.sh -m "not slow", or ./test.sh tests/test_kitti.py
set -euo pipefail

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")"
./install.sh
stamp=.venv/tests-installed.txt
if ! cmp -s tests/requirements.lock "$stamp"; then
  .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --requirement tests/requirements.lock
  cp tests/requirements.lock "$stamp"
fi
exec .venv/bin/python -m pytest "$@"
