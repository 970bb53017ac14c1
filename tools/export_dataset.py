#!/usr/bin/env python3
"""Write a prepared data set (images/ and labels/) in another format, for other tools.

tools/export_dataset.py --format coco data/mine mine-as-coco
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse the command line, export, say how to read it back."""
    from hand_detection.formats import FORMATS

    parser = argparse.ArgumentParser(
        prog="tools/export_dataset.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    writable = [name for name, form in FORMATS.items() if form.write]
    add("--format", required=True, choices=writable, help="what to write")
    add("data", type=Path, metavar="DATA", help="a prepared data set, e.g. data/egohands")
    add("out", type=Path, metavar="OUT", help="the folder to make")
    add(
        "--label-map",
        type=Path,
        metavar="FILE",
        help="(DATA/label_map.pbtxt, or if there is none data/hand_label_map.pbtxt)",
    )
    add("--overwrite", action="store_true", help="what stands at OUT is moved to OUT.1, .2, ...")
    args = parser.parse_args()

    from hand_detection import labelmap
    from hand_detection.console import say
    from hand_detection.formats.export import export
    from hand_detection.paths import shown

    classes = labelmap.read_label_map(args.label_map or labelmap.of_data(args.data))
    count = export(args.format, args.data, args.out, classes=classes, overwrite=args.overwrite)
    say(f"{count:,} images in {shown(args.out)}")
    back = f"--format {args.format} {shown(args.out)} DIR"
    say(f"Next: use it, or read it back with tools/prepare_dataset.py {back}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
