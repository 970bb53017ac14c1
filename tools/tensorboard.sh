#!/usr/bin/env bash
# TensorBoard of all runs, or of one: the curves of training and evaluation, and pictures.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/tensorboard.sh [-h] [--port PORT] [RUN]

TensorBoard of runs/RUN, or of all runs, at http://127.0.0.1:PORT, for this machine only.

  RUN          a folder below runs/
  --port PORT  default: 6006, or the next one that is free
TEXT
}

misuse() { # MESSAGE
  usage >&2
  echo "tools/tensorboard.sh: error: $1" >&2
  exit 2
}

root=$(dirname -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")")
run='' port=()
while (($#)); do
  case $1 in
    -h | --help) usage && exit ;;
    --port) [[ ${2-} =~ ^[0-9]{1,5}$ && $((10#$2)) -lt 65536 ]] || misuse '--port wants 0 to 65535'
      port=(--port "$2") && shift ;;
    -*) misuse "unrecognized arguments: $1" ;;
    . | .. | */* | "") misuse "'$1' is no name of a folder below runs/" ;;
    *) [[ -z $run ]] || misuse "one RUN, not two" && run=$1 ;;
  esac
  shift
done
logdir=$root/runs${run:+/$run}
python=$root/.venv/bin/python
[[ -x $python ]] || { echo "error: .venv is missing: run ./install.sh first" >&2 && exit 1; }
[[ -d $logdir ]] || { echo "error: there is no runs/$run: run ./train.sh first" >&2 && exit 1; }
exec "$python" -I -m tensorboard.main --logdir "$logdir" --host 127.0.0.1 "${port[@]}"
