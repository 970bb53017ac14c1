"""One exported model in a process of its own: what it needs is its own.

    python -m hand_detection.benchmarking.worker MODEL [--threads N]

Requests come on stdin, a JSON object a line: {"frames": FILE.npz, "batch": B, "times": N}. For
each, a JSON object is printed: milliseconds of each stage, of each of N batches.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from hand_detection import console
from hand_detection.detector import Detector

STAGES = ("decode", "preprocess", "network", "postprocess")


def main() -> None:
    """Open the model, say what that took, and answer requests until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=console.positive_number)
    arguments = parser.parse_args()

    before = time.perf_counter()
    from hand_detection import detectors

    detector = detectors.open_model(arguments.model, arguments.threads)
    _answer({"load_seconds": time.perf_counter() - before, "fixed_batch": detector.batch})
    for line in sys.stdin:
        request = json.loads(line)
        frames = [item.tobytes() for item in np.load(request["frames"]).values()]
        times = measure(detector, frames, request["batch"], request["times"])
        _answer({"milliseconds": times, "peak_mb": peak_memory()})


def measure(
    detector: Detector, frames: list[bytes], batch: int, times: int
) -> list[dict[str, float]]:
    """Detect in `times` batches.

    Args:
        detector: the model.
        frames: encoded images of one size.
        batch: how many at once.
        times: how many batches; the frames are taken in turn.

    Returns:
        Milliseconds of each stage, a batch each.
    """
    found = []
    for number in range(times):
        chosen = [frames[(number * batch + place) % len(frames)] for place in range(batch)]
        clock = [time.perf_counter()]
        pictures = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in chosen]
        images = np.stack(pictures) if batch > 1 else np.expand_dims(pictures[0], 0)
        clock.append(time.perf_counter())
        pixels = detector.preprocess(images)
        clock.append(time.perf_counter())
        outputs = detector.infer(pixels)
        clock.append(time.perf_counter())
        detector.postprocess(outputs, images.shape[2], images.shape[1])
        clock.append(time.perf_counter())
        found.append(dict(zip(STAGES, (np.diff(clock) * 1000).tolist(), strict=True)))
    return found


def peak_memory() -> float:
    """The most memory that this process has had resident, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024 / 1e6


def _answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    console.run(main)
