#!/usr/bin/env python3
"""How often the evaluation's 95% interval covers the AP50 that it is about.

    benchmarks/bootstrap_coverage.py [--tries N] [--seed S]

A world of videos is simulated: each has its own difficulty, and its frames' detections are right
with a probability that depends on it. The true AP50 is that of 2,000 videos; each try draws a few
videos anew, as a data set would, and asks whether its interval holds the truth. Frames resampled
one by one, as if they were independent, stand beside it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv

FRAMES = 20  # of a video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    import numpy as np

    from hand_detection import metrics
    from hand_detection.coco import Boxes, Image
    from hand_detection.insight import bootstrap

    rng = np.random.default_rng(arguments.seed)
    place, elsewhere = [100, 100, 200, 200], [300, 300, 400, 400]

    def video(number: int) -> list[Image]:
        skill = rng.beta(6, 3)
        images = []
        for frame in range(FRAMES):
            right = rng.random(3) < [skill, 0, 0]
            scores = np.where(right, rng.beta(4, 2, 3), rng.beta(2, 4, 3))
            boxes = [place if hit else elsewhere for hit in right]
            name = f"CARDS_OFFICE_{number}_B_frame_{frame:04d}.jpg"
            truth = Boxes(np.array([place], float), np.ones(1, np.int64))
            found = Boxes(np.array(boxes, float), np.ones(3, np.int64), scores)
            images.append(Image(name, 640, 480, truth, found))
        return images

    def ap50(images: list[Image]) -> float:
        return metrics.average_precision(metrics.match(images, [1]), [metrics.AT_50])

    truth = ap50([image for number in range(2000) for image in video(number)])
    print(f"AP50 of 2,000 videos: {truth:.3f}; {arguments.tries} tries each")
    print("videos  covered  mean width  covered if frames were independent")
    for count in (4, 8, 12, 24):
        covered, naive, widths = 0, 0, []
        for _ in range(arguments.tries):
            images = [image for number in range(count) for image in video(number)]
            matches = metrics.match(images, [1])
            clusters = bootstrap.clusters(images)
            low, high = bootstrap.intervals(matches, clusters)["AP50"]["interval"]
            covered += low <= truth <= high
            widths.append(high - low)
            single = replace(clusters, count=len(images), of=np.arange(len(images)))
            low, high = bootstrap.intervals(matches, single)["AP50"]["interval"]
            naive += low <= truth <= high
        share = covered / arguments.tries
        print(f"{count:6d}  {share:7.1%}  {np.mean(widths):10.3f}  {naive / arguments.tries:7.1%}")


if __name__ == "__main__":
    venv.enter()
    main()
