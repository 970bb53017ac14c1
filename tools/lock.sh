#!/usr/bin/env bash
# Writes the lock files that install.sh and test.sh install from: every file of every package in
# requirements.txt with its SHA-256, for all platforms. To be run after a requirement was changed.
#
#   tools/lock.sh     tools/requirements.lock, -gpu.lock, -deploy.lock; tests/requirements.lock
set -euo pipefail

if (($#)); then
  [[ $1 == -h || $1 == --help ]] && { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0; }
  echo "error: unknown option $1; see tools/lock.sh -h" >&2
  exit 2
fi
cd -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")/.."
[[ -x .venv/bin/python ]] || { echo "error: .venv is missing: run ./install.sh first" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.8
lock() { # FROM TO [OPTIONS]
  "$work/venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.10 \
    --generate-hashes --no-annotate --no-header "${@:3}" --output-file "$work/lock" "$1"
  { echo "# Made by tools/lock.sh: change the requirements and run it again."; cat "$work/lock"; } >"$2"
  echo "$2: $(grep -c == "$2") packages"
}
lock requirements.txt tools/requirements.lock --no-deps
lock tools/requirements-deploy.txt tools/requirements-deploy.lock --no-deps
lock tests/requirements.txt tests/requirements.lock --no-deps
# CUDA's libraries come with it; the versions of all else are those of requirements.txt.
sed -E 's/^tensorflow(-cpu)?==([0-9.]+);.*/tensorflow[and-cuda]==\2/' requirements.txt >"$work/gpu.txt"
lock "$work/gpu.txt" tools/requirements-gpu.lock
