#!/usr/bin/env bash
# Installs the original stack, to be measured beside ours: TensorFlow 1.15.5 and the API unported.
#
#   benchmarks/original/setup.sh DIR [PYTHON]
#
#   DIR      gets venv/ (0.8 GB) and models/; on a second call what is whole is kept
#   PYTHON   a Python 3.7 (default: python3.7, or pyenv's)
set -euo pipefail

fail() { echo "error: $1" >&2; exit "${2:-1}"; }
is_37() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 7))' 2>/dev/null; }
case ${1--} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) fail "${1:+unknown option $1, }one folder is needed; see benchmarks/original/setup.sh -h" 2 ;;
esac
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
wanted=$root/benchmarks/original/requirements.txt
[[ -x $root/.venv/bin/python ]] || fail ".venv is missing: run ./install.sh first"
if cmp -s "$wanted" "$1/installed.txt"; then
  echo "$1: installed already"
else
  for python in ${2:-python3.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.7.*/bin/python}; do
    if is_37 "$python"; then break; fi
  done
  is_37 "$python" || fail "$python is no Python 3.7, which TensorFlow 1.15 needs: name one"
  [[ ! $(ls -A "$1" 2>/dev/null) || -e $1/unfinished || -e $1/installed.txt ]] || fail "$1 is there: name another folder"
  mkdir -p "$1" && cd "$1" && touch unfinished && rm -rf installed.txt venv models
  "$python" -m venv venv
  echo "venv: $("$python" --version), $(grep -c == "$wanted") requirements ..."
  venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps \
    --requirement "$wanted" || fail "pip could not install everything; its reason stands above"
  mkdir -p models/research
  PYTHONPATH=$root "$root/.venv/bin/python" "$root/benchmarks/original/unpack_api.py" models/research
  printf '%s\n' "$PWD"/models/research{,/slim} >venv/lib/python3.7/site-packages/api.pth
  cp "$wanted" installed.txt && rm unfinished
fi
echo "Next: benchmarks/beside_original.py --original $1 --data data/egohands"
