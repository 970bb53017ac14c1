"""Time this project's evaluation of a checkpoint: the Evaluator of train.sh and eval.sh.

    .venv/bin/python benchmarks/ours/evaluate.py CONFIG CHECKPOINT

CONFIG and the figures are those of benchmarks/original/evaluate.py. What is timed is a second call,
whole: reading the checkpoint, detecting in every frame, and the metrics.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "original"))
sys.path.append(str(Path(__file__).resolve().parents[2]))
import timing

from hand_detection import console


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="its files' prefix")
    arguments = parser.parse_args()

    from hand_detection import pipeline
    from hand_detection.api import compat
    from hand_detection.evaluator import Evaluator

    evaluator = Evaluator(pipeline.load(arguments.config))
    evaluator.run(arguments.checkpoint, "start-up")
    started = time.monotonic()
    result = evaluator.run(arguments.checkpoint)
    seconds = time.monotonic() - started
    figures = {
        "tensorflow": compat.activate().__version__,
        "frames": len(result.images),
        "frames_per_second": round(len(result.images) / seconds, 3),
        "AP": round(result.numbers["DetectionBoxes_Precision/mAP"], 6),
        "AP50": round(result.numbers["DetectionBoxes_Precision/mAP@.50IOU"], 6),
        "peak_mb": timing.peak_mb(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    console.run(main)
