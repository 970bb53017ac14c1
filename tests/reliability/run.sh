#!/usr/bin/env bash
# The reliability tests in full: see run.py -h. What stands in pytest is the short form.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
exec "$here/../../.venv/bin/python" "$here/run.py" "$@"
