#!/usr/bin/env python3
"""Shuffle a data set in the KITTI layout into TFRecord shards for training and evaluation.

Reads DATA/images and DATA/labels, writes DATA/tfrecords.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_detection import venv


def main() -> None:
    """Parse the command line, write the shards, say what they hold."""
    from hand_detection import models, paths
    from hand_detection.console import positive_number, say, whole_number
    from hand_detection.parallel import default_workers

    parser = argparse.ArgumentParser(
        prog="create_tfrecords.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", default=paths.EGOHANDS, help="(data/egohands)")
    add(
        "--split",
        choices=("random", "video", "official"),
        default="random",
        help="random: shuffled frames, the tutorial's; neighbouring frames of a video stand on "
        "both sides. video: whole videos held out. official: EgoHands' own train, val and test, "
        "by video",
    )
    add(
        "--val-size",
        type=positive_number,
        metavar="N",
        help="frames held out, at least (a fifth of them, at most 500)",
    )
    add("--seed", type=int, metavar="N", help="of the shuffle (2018)")
    add("--shards", type=whole_number, metavar="N", default=0, help="a split (one each 100 MB)")
    add(
        "--max-side",
        type=whole_number,
        metavar="N",
        default=0,
        help="reduce frames to N pixels, saving disk and memory (0: keep them as they are)",
    )
    add(
        "--label-map",
        type=Path,
        metavar="FILE",
        help="(DATA/label_map.pbtxt, or if there is none data/hand_label_map.pbtxt)",
    )
    add("--workers", type=positive_number, metavar="N", default=default_workers(), help="processes")
    add("--overwrite", action="store_true", help="replace TFRecords that were made otherwise")
    args = parser.parse_args()
    if args.split == "official" and args.val_size:
        parser.error("--val-size is not for --split official, which has its own")

    from hand_detection import labelmap, tfrecords

    settings = tfrecords.Settings(
        split=args.split,
        seed=tfrecords.SEED if args.seed is None else args.seed,
        val_size=args.val_size,
        max_side=args.max_side,
        shards=args.shards,
        classes=labelmap.read_label_map(args.label_map or labelmap.of_data(args.data)),
    )
    manifest = tfrecords.create(args.data, settings, workers=args.workers, overwrite=args.overwrite)
    say(tfrecords.counts_table(manifest))
    model = models.MODELS[0].name
    elsewhere = "" if args.data.resolve() == paths.EGOHANDS else f" --data {paths.shown(args.data)}"
    say(f"Next: step 5, ./train.sh {model}{elsewhere}")


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
