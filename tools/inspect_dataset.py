#!/usr/bin/env python3
"""Look before you train: one HTML page about a prepared data set, and its figures as JSON.

tools/inspect_dataset.py data/egohands     writes inspect.html and inspect.json into it
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse the command line, inspect, say what was found."""
    from hand_detection import models, options

    parser = options.parser("tools/inspect_dataset.py", __doc__)
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="a prepared data set (images/ and labels/)")
    add(
        "--model",
        metavar="MODEL",
        type=options.known_model,
        default=models.MODELS[0].name,
        help="whose anchors are compared with the boxes (%(default)s)",
    )
    add("--label-map", metavar="FILE", type=Path, help="(DATA/label_map.pbtxt, or else the hands')")
    add("--out", metavar="DIR", type=Path, help="where to write the two files (DATA)")
    args = parser.parse_args()

    from hand_detection import (
        coverage,
        files,
        inspection,
        inspection_page,
        labelmap,
        pipeline,
        survey,
    )
    from hand_detection.console import UserError, say
    from hand_detection.paths import shown

    classes = labelmap.read_label_map(args.label_map or labelmap.of_data(args.data))
    found = survey.survey(args.data)
    covered, lines = None, []
    try:
        covered = coverage.coverage(pipeline.parse(models.config_file(args.model)).model, found)
        lines = covered.in_words()
    except UserError as error:
        lines = [f"anchors: not checked, {error}"]
    suspicious = inspection.suspicions(found, classes)
    figures = inspection.figures(found, classes, suspicious, covered)
    name = args.data.resolve().name
    page = inspection_page.html(name, found, figures, suspicious, covered, args.model)
    out = args.out or args.data
    files.write_json(out / "inspect.json", figures)
    files.write_text(out / "inspect.html", page)
    say(
        f"{figures['images']:,} images, {figures['boxes']:,} boxes: {', '.join(figures['classes'])}"
    )
    for line in lines:
        say(line)
    counts = {kind: one["count"] for kind, one in figures["suspicious"].items()}
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    say(f"suspicious: {told or 'nothing'}")
    say(f"Next: open {shown(out / 'inspect.html')} in a browser")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
