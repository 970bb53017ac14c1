#!/usr/bin/env python3
"""Exports' latency beside the frozen graph's on the original stack, in turns, on the same frames.

    benchmarks/original/setup.sh DIR
    benchmarks/detect_beside_original.py --original DIR --images DIR EXPORT ...

The first EXPORT is the one with the frozen graph, which TensorFlow 1.15 runs too. Latency is from
the decoded picture to the boxes, one picture at a time. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from hand_detection import venv

ORIGINAL = "frozen graph, TensorFlow 1.15"


def main() -> None:
    from hand_detection.console import positive_number

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("exports", type=Path, nargs="+", metavar="EXPORT")
    add("--original", type=Path, required=True, metavar="DIR", help="made by original/setup.sh")
    add("--images", type=Path, required=True, metavar="DIR", help="of one size")
    add("--frames", type=positive_number, default=60, metavar="N", help="(%(default)s)")
    add("--rounds", type=positive_number, default=5, metavar="N", help="(%(default)s)")
    measure(parser.parse_args())


def measure(arguments: argparse.Namespace) -> None:
    """Print the median latency of each round, and what times lower than the original it is."""
    import original_stack

    from hand_detection import detectors
    from hand_detection.benchmarking import rounds
    from hand_detection.console import say
    from hand_detection.detection import sources

    original_stack.require(arguments.original)
    images = [each.path for each in sources.find([str(arguments.images)])][: arguments.frames]
    data = [path.read_bytes() for path in images]
    models = [detectors.locate(path) for path in arguments.exports]
    found: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        before = original_stack.measure(arguments.original, "detect.py", models[0], *images)
        found.setdefault(ORIGINAL, []).append(statistics.median(before["milliseconds"]))
        for model in models:
            [row] = rounds.measure(
                [model], data, threads=[None], batches=[1], rounds=1, times=len(data)
            )
            name = f"{model.parent.name}/{model.name}"
            found.setdefault(name, []).append(row.percentile(50))
    for name, times in found.items():
        ratios = [theirs / ours for theirs, ours in zip(found[ORIGINAL], times, strict=True)]
        say(
            f"{name:50} p50 {statistics.median(times):5.1f} ms, "
            f"{statistics.median(ratios):.2f} times lower ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
