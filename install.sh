#!/usr/bin/env bash
# Step 1: install everything into .venv and build/, and nothing elsewhere.
#
#   ./install.sh [--gpu] [--deploy] [--python PYTHON] [--source auto|submodule|registry]
#   --gpu       TensorFlow with the CUDA libraries (several GB) in place of the CPU build
#   --deploy    too: ONNX, OpenVINO, LiteRT, which step 7 exports to (350 MB)
#   --python    which Python makes .venv (default: python3, or the newest of 3.13 to 3.10)
#   --source    where the Object Detection API comes from: the git submodule, PyPI's copy of
#               it, or the first of the two that answers (default: auto)
#
# Safe to run again at any time: what is done is kept, what was interrupted is made anew.
set -euo pipefail

fail() { echo "error: $1" >&2; exit "${2:-1}"; }
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
python="" source=auto gpu="" deploy=""
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --gpu | --deploy) printf -v "${1#--}" yes ;;
    --python | --source) (($# > 1)) || fail "$1 needs a value; see ./install.sh -h" 2
      printf -v "${1#--}" %s "$2"; shift ;;
    *) fail "unknown option $1; see ./install.sh -h" 2 ;;
  esac
  shift
done
[[ $source =~ ^(auto|submodule|registry)$ ]] || fail "--source $source: auto, submodule or registry" 2

SECONDS=0
cd -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")"
# shellcheck source=tools/venv.sh
source tools/venv.sh
be_sole_installer
make_venv "$python" "$gpu"
[[ ! $deploy ]] || add_requirements tools/requirements-deploy.lock
.venv/bin/python -I hand_detection/run.py api.install --source "$source"
echo "installed in $SECONDS s; .venv takes $(du -sh .venv | cut -f1)"
echo "Next: step 2, ./download_pretrained_models.sh"
