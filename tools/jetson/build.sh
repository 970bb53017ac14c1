#!/usr/bin/env bash
# Builds a TensorRT engine with the device's own trtexec, and measures it. Runs on the device, in
# the folder that ./export.sh MODEL --to tensorrt made.
#   ./build.sh [FORM] [--batch N] [--fp32] [-- OPTIONS OF TRTEXEC]
#   FORM      nms_plugin (default), nms_graph or network: see doc/jetson.md
#   --batch   how many images at once (default: 1)
#   --fp32    in float32; without it layers may run in float16
set -euo pipefail

fail() { echo "error: $1" >&2; exit "${2:-1}"; }
form=nms_plugin batch=1 precision=fp16
while (($#)); do
  case $1 in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    nms_plugin | nms_graph | network) form=$1 ;;
    --fp32) precision=fp32 ;;
    --batch) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || fail "--batch needs a number; see ./build.sh -h" 2
      batch=$2; shift ;;
    --) shift; break ;;
    *) fail "unknown option $1; see ./build.sh -h" 2 ;;
  esac
  shift
done
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PATH:/usr/src/tensorrt/bin
command -v trtexec >/dev/null || fail "no trtexec here: it comes with JetPack, apt install tensorrt"
model=${form}_batch$batch.onnx shapes=()
if [[ ! -f $model ]]; then
  model=${form}_dynamic.onnx
  size=$(sed -nE 's/.*"size": \[([0-9]+), ([0-9]+)\].*/\1x\2/p' decoder.json)
  shapes=(--{min,opt,max}"Shapes=image_tensor:${batch}x${size}x3")
fi
[[ -f $model ]] || fail "no $model here: run this in a folder by ./export.sh MODEL --to tensorrt"
[[ $precision == fp32 ]] || shapes+=(--fp16)
engine=${form}_batch${batch}_$precision.engine
trtexec --onnx="$model" --saveEngine="$engine.partial" "${shapes[@]}" "$@"
mv "$engine.partial" "$engine"
echo "Next: python3 detect.py $engine IMAGE"
