#!/usr/bin/env python3
"""Turn labelled images of another format into this project's layout.

tools/prepare_dataset.py --format coco annotations.json data/mine
./create_tfrecords.sh --data data/mine
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse the command line, convert, say what comes next."""
    from hand_detection.console import positive_number, say
    from hand_detection.formats import FORMATS
    from hand_detection.parallel import default_workers

    table = "\n".join(f"  {name:9} {form.about}" for name, form in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="tools/prepare_dataset.py",
        description=__doc__,
        epilog=f"formats:\n{table}\n  egohands  its archive: the same as ./prepare_egohands.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--format", required=True, choices=(*FORMATS, "egohands"), help="see below")
    add("src", type=Path, metavar="SRC", help="the data set: a folder, or its one file")
    add("out", type=Path, metavar="OUT", help="the folder to make, e.g. data/mine")
    add("--images", type=Path, metavar="DIR", help="where the images are, if not near SRC")
    add("--label-map", type=Path, metavar="FILE", help="the classes (all there are, by name)")
    add(
        "--first-pixel",
        type=int,
        choices=(0, 1),
        help="what pixels are counted from in the file (voc: 1, csv: 0)",
    )
    add(
        "--exif",
        choices=("upright", "ignore"),
        help="upright: turn pixels by their EXIF orientation; ignore: boxes are on the pixels "
        "as they are stored (upright)",
    )
    add("--mend", action="store_true", help="cut, widen or leave out boxes that are not correct")
    add("--overwrite", action="store_true", help="what stands at OUT is moved to OUT.1, .2, ...")
    add("--workers", type=positive_number, metavar="N", default=default_workers(), help="processes")
    args = parser.parse_args()
    if args.first_pixel is not None and args.format not in ("voc", "csv"):
        parser.error(f"--first-pixel is for voc and csv: {args.format} has a fixed one")
    if args.format == "egohands":
        for option in ("images", "label_map", "exif", "mend"):
            if getattr(args, option):
                parser.error(f"--{option.replace('_', '-')} is not for egohands")
        given = ["--overwrite"] if args.overwrite else []
        step = str(ROOT / "prepare_egohands.py")
        command = [sys.executable, step, "--archive", str(args.src), "--out", str(args.out)]
        os.execv(sys.executable, [*command, "--workers", str(args.workers), *given])

    from hand_detection.formats import convert
    from hand_detection.formats.base import Options
    from hand_detection.paths import shown

    totals = convert.convert(
        args.format,
        args.src,
        args.out,
        options=Options(args.images, args.first_pixel),
        settings=convert.Settings(turn=args.exif != "ignore", mend=args.mend),
        label_map=args.label_map,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    for name, count in totals.items():
        say(f"{count:>9,} {name}")
    where = shown(args.out)
    say(f"Next: look at it, tools/inspect_dataset.py {where}; ./create_tfrecords.sh --data {where}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
