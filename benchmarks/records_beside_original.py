#!/usr/bin/env python3
"""Step 4 beside the API's own converter on the original stack, in turns, on the same frames.

    benchmarks/original/setup.sh DIR
    benchmarks/records_beside_original.py --original DIR --data DATA [--rounds N]

The original's time is of its loop alone; ours is of create_tfrecords.sh as a whole, start-up and
manifest included. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from hand_detection import venv

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    import original_stack

    from hand_detection.console import positive_number, say
    from hand_detection.labelmap import HANDS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--original", type=Path, required=True, metavar="DIR", help="made by original/setup.sh")
    add("--data", type=Path, required=True, metavar="DATA", help="a data set of step 3")
    add("--rounds", type=positive_number, default=3, metavar="N", help="(%(default)s)")
    arguments = parser.parse_args()
    original_stack.require(arguments.original)
    frames = len(list((arguments.data / "images").iterdir()))
    rates: dict[str, list[float]] = {"original": [], "ours": []}
    for number in range(arguments.rounds):
        theirs = original_stack.measure(
            arguments.original, "create_tfrecords.py", arguments.data, HANDS
        )
        rates["original"].append(theirs["frames_per_second"])
        rates["ours"].append(frames / ours(arguments.data))
        latest = ", ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items())
        say(f"round {number + 1} of {arguments.rounds}, {frames} frames, frames/s: {latest}")
    before, now = (statistics.median(values) for values in rates.values())
    say(f"medians: {before:.1f} and {now:.1f} frames/s: {now / before:.2f} times as many")


def ours(data: Path) -> float:
    """Seconds of step 4 on the same images and labels.

    Raises:
        UserError: it fails.
    """
    from hand_detection.console import UserError

    with tempfile.TemporaryDirectory() as temporary:
        for name in ("images", "labels", "dataset.json"):
            (Path(temporary) / name).symlink_to((data / name).resolve())
        command = [ROOT / "create_tfrecords.sh", "--data", temporary]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
    if done.returncode:
        raise UserError(done.stderr.strip())
    return seconds


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
