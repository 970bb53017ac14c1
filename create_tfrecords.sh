#!/usr/bin/env bash
# Step 4: shuffle the prepared data set into TFRecord shards. All options: -h.
set -euo pipefail

root=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
python=$root/.venv/bin/python

if [[ ! -x $python ]]; then
  echo "error: .venv is missing: run ./install.sh first" >&2
  exit 1
fi
# glibc: one heap for all threads, and what was freed is kept for the next frame.
export MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=268435456
exec "$python" -I "$root/create_kitti_tf_record.py" "$@"
