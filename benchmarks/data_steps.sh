#!/usr/bin/env bash
# Steps 3 and 4 beside plain `unzip` and `cp`, in turns, on an archive of full size.
#
#   benchmarks/data_steps.sh ARCHIVE [ROUNDS]     ARCHIVE: see benchmarks/full_size_archive.py
#
# Works in a folder of its own in $TMPDIR (4 GB), and removes it. Needs unzip.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
case ${1-} in
  -h | --help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
  -*) echo "error: unknown option $1; see benchmarks/data_steps.sh -h" >&2; exit 2 ;;
esac
archive=$(realpath "$1") rounds=${2:-3}
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TIMEFORMAT=%R
seconds() { { time "$@" >/dev/null 2>&1; } 2>&1; }
plain() {
  unzip -q "$archive" -d "$folder/plain"
  cp -r "$folder/plain/_LABELLED_SAMPLES" "$folder/copied"
}

echo "seconds  unzip+cp  prepare  create_tfrecords"
for ((round = 1; round <= rounds; round++)); do
  rm -rf "${folder:?}"/*
  first=$(seconds plain)
  rm -rf "${folder:?}"/*
  second=$(seconds "$root/prepare_egohands.py" --archive "$archive" --out "$folder/data")
  third=$(seconds "$root/create_tfrecords.sh" --data "$folder/data")
  echo "round $round  $first  $second  $third"
done
