#!/usr/bin/env python3
"""Step 3: fetch the EgoHands data set and turn its polygons into KITTI labels.

./prepare_egohands.py                     1.3 GB from the net into data/egohands
./prepare_egohands.py --archive FILE      from an archive that you have
./prepare_egohands.py --sample            a small generated data set in data/sample
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Parse the command line, prepare, say what comes next."""
    from hand_detection import paths
    from hand_detection.console import positive_number, say, whole_number
    from hand_detection.parallel import default_workers

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the data set folder to make")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--archive", type=Path, metavar="FILE", help="use this archive, no net")
    source.add_argument("--sample", action="store_true", help="generate a small data set")
    parser.add_argument("--videos", type=positive_number, metavar="N", help="of the sample (15)")
    parser.add_argument("--frames", type=positive_number, metavar="N", help="a sample's video (20)")
    parser.add_argument("--seed", type=whole_number, metavar="N", help="of the sample (0)")
    parser.add_argument(
        "--verify", action="store_true", help="decode all of it again and draw contact sheets"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace labels and images that you changed"
    )
    parser.add_argument(
        "--workers", type=positive_number, metavar="N", default=default_workers(), help="processes"
    )
    args = parser.parse_args()
    settings = {"videos": 15, "frames": 20, "seed": 0}
    given = {name: getattr(args, name) for name in settings if getattr(args, name) is not None}
    if given and not args.sample:
        parser.error(f"--{next(iter(given))} goes with --sample")
    if given.get("frames", 1) > 9999:
        parser.error("--frames is 9999 at most: frame_NNNN")
    if given.get("videos", 1) > 5592:
        parser.error("--videos is 5592 at most: there are no more names of EgoHands' form")
    out = args.out or (paths.SAMPLE if args.sample else paths.EGOHANDS)

    from hand_detection import download, egohands, prepare
    from hand_detection.files import sole_writer

    with sole_writer(out):
        archive = args.archive or out / egohands.ARCHIVE
        options = {"workers": args.workers, "overwrite": args.overwrite}
        if args.sample:
            manifest = prepare.prepare_sample(out, **settings | given, **options)
        elif not archive.exists() and not args.archive and prepare.is_complete(out):
            missing = f"{paths.shown(archive)} is not there, and no --archive: labels not compared"
            say(f"{paths.shown(out)} is already done ({missing})")
            manifest = prepare.read_manifest(out)
        else:
            sample = (prepare.read_manifest(out) or {}).get("sample")
            if not args.archive and not archive.exists():
                download.download(
                    egohands.ADDRESSES,
                    archive,
                    check=egohands.read_index,
                    by_hand="and name it with --archive FILE",
                )
            manifest = prepare.prepare(
                archive,
                out,
                published=not args.archive and not sample,
                sample=None if args.archive else sample,
                **options,
            )
        if args.verify:
            prepare.verify(out, args.workers)
    say(prepare.counts_table(manifest))
    elsewhere = "" if out.resolve() == paths.EGOHANDS else f" --data {paths.shown(out)}"
    say(f"Next: step 4, ./create_tfrecords.sh{elsewhere}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
