#!/usr/bin/env python3
"""Shuffle a data set in the KITTI layout into TFRecord shards for training and evaluation.

Reads DATA/images and DATA/labels, writes DATA/tfrecords.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def group(text: str) -> str:
    """An argparse type: a regular expression with a capture group, or the word folder."""
    from hand_detection import splits

    try:
        if text != splits.FOLDER and not re.compile(text).groups:
            raise argparse.ArgumentTypeError(f"{text!r} has no (...) that captures the group")
    except (re.error, OverflowError, RecursionError) as error:
        shown = f"{text[:80]}..." if len(text) > 80 else text
        raise argparse.ArgumentTypeError(f"{shown!r} is no regular expression: {error}") from None
    return text


def main() -> None:
    """Parse the command line, write the shards, say what they hold."""
    from hand_detection import models, paths, splits
    from hand_detection.console import positive_number, say, warn, whole_number
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
        choices=splits.SPLITS,
        default="random",
        help="random: shuffled frames, the tutorial's; neighbouring frames of a video stand on "
        "both sides. stratified: the same, every class in its share on both. video: whole videos "
        "held out. group: whole groups, see --group. official: EgoHands' own train, val and "
        "test, by video",
    )
    add(
        "--group",
        type=group,
        metavar="REGEX",
        help="its first (...) in a frame's name is the frame's group, e.g. '^(cam[0-9]+)_'; or "
        "the word folder: the folder that the frame was prepared from",
    )
    add("--folds", type=positive_number, metavar="K", help="deal the frames into K parts,")
    add("--fold", type=positive_number, metavar="I", help="of which part I, 1 to K, validates")
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
        "--masks",
        action="store_true",
        help="store each object's mask, made from DATA/polygons, for models that learn masks",
    )
    add(
        "--label-map",
        type=Path,
        metavar="FILE",
        help="(DATA/label_map.pbtxt, or if there is none data/hand_label_map.pbtxt)",
    )
    add("--workers", type=positive_number, metavar="N", default=default_workers(), help="threads")
    add("--overwrite", action="store_true", help="replace TFRecords that were made otherwise")
    args = parser.parse_args()
    if args.split == "official" and (args.val_size or args.folds):
        parser.error("--val-size and --folds are not for --split official, which has its own")
    if (args.split == "group") != (args.group is not None):
        parser.error("--split group and --group REGEX go together")
    if (args.folds is None) != (args.fold is None) or (args.fold or 0) > (args.folds or 0):
        parser.error("--folds K goes with --fold I, and I is 1 to K")
    if args.folds == 1 or (args.folds and args.val_size):
        parser.error("--folds is 2 or more, and --val-size is not for it")

    from hand_detection import labelmap, tfrecords

    settings = tfrecords.Settings(
        split=args.split,
        seed=tfrecords.SEED if args.seed is None else args.seed,
        val_size=args.val_size,
        max_side=args.max_side,
        shards=args.shards,
        classes=labelmap.read_label_map(args.label_map or labelmap.of_data(args.data)),
        group=args.group,
        folds=args.folds,
        fold=args.fold,
        masks=args.masks,
    )
    manifest = tfrecords.create(args.data, settings, workers=args.workers, overwrite=args.overwrite)
    for line in tfrecords.twins_in_words(manifest):
        say(line)
    if tfrecords.leaks(manifest):
        warn(
            "warning: what is measured on this split flatters: keep what belongs together on one "
            "side with --split video, group or official"
        )
    say(tfrecords.counts_table(manifest))
    named = [name for name in models.names() if name.startswith("mask_rcnn") == args.masks]
    model, where = (named or models.names())[0], paths.shown(args.data)
    if settings.classes != labelmap.read_label_map(labelmap.HANDS):
        say(f"Next: a config for it, tools/new_config.py --like {model} --data {where} my_model")
        return
    elsewhere = "" if args.data.resolve() == paths.EGOHANDS else f" --data {where}"
    say(f"Next: step 5, ./train.sh {model}{elsewhere}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
