#!/usr/bin/env bash
# The reliability tests in full, and their table, after installing into .venv if need be.
#
#   tests/reliability/run.sh                                all of it: hours
#   tests/reliability/run.sh --only crash --tries 5 --steps prepare TFRecords
#   tests/reliability/run.sh --only crash --faults killed --seed 1
#   tests/reliability/run.sh --only hostile --inputs 1000
#
# ./test.sh tests/reliability runs the short form.
set -euo pipefail

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/setup.sh
source tests/setup.sh
exec .venv/bin/python tests/reliability/run.py "$@"
