#!/usr/bin/env bash
# The whole tutorial in one go, on a small generated data set: installs into .venv, runs every
# numbered step, and ends with a picture. Needs no GPU, no GitHub and no data set host.
#
#   ./demo.sh [--steps N]     N: how long to train (default: the config's)
#
# Safe to run again: what is done is kept, and a training that was cut off goes on.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
case ${1-} in
  -h | --help) usage; exit 0 ;;
  "" | --steps) ;;
  *) echo "error: unknown option $1; see ./demo.sh -h" >&2; exit 2 ;;
esac
if [[ ${1-} && ! ${2-} =~ ^[1-9][0-9]*$ ]]; then
  echo "error: --steps needs a number; see ./demo.sh -h" >&2
  exit 2
fi

cd -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")"
step() { printf '\n== %s\n' "$*"; "$@"; }
model=ssd_mobilenet_v1_quick

step ./install.sh
step ./download_pretrained_models.sh --offline
step ./prepare_egohands.py --sample --videos 48 --frames 10 # as many videos as the real one has
step ./create_tfrecords.sh --data data/sample --split official --max-side 640
step ./train.sh "$model" "$@"
step ./eval.sh "$model" --split test
step ./export.sh "$model"
frames=(data/sample/images/JENGA_LIVINGROOM_S_T_frame_*.jpg) # a video of the test split
# After so short a training scores are modest: the evaluation's page names the best threshold.
step ./detect_image.sh --model "$model" --threshold 0.3 "${frames[${#frames[@]} / 2]}"
printf '\ndemo done in %d min %d s: look at detection_output.jpg\n' $((SECONDS / 60)) $((SECONDS % 60))
