#!/usr/bin/env python3
"""Write configs/NAME.config for a prepared data set of your own, for ./train.sh NAME.

tools/new_config.py --like ssd_mobilenet_v1_egohands --data data/mine my_model
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse the command line, write the config, say how its anchors fit."""
    from hand_detection import models, options

    parser = options.parser("tools/new_config.py", __doc__)
    add = parser.add_argument
    add("name", metavar="NAME", help="of the new model")
    add(
        "--like",
        metavar="MODEL",
        type=options.known_model,
        required=True,
        help="the config to start from",
    )
    add("--data", metavar="DIR", type=Path, required=True, help="with its TFRecords made")
    add("--label-map", metavar="FILE", type=Path, help="(DATA/label_map.pbtxt, or else the hands')")
    args = parser.parse_args()

    from hand_detection import coverage, new_config, pipeline, survey
    from hand_detection.console import UserError, say
    from hand_detection.paths import shown

    path = new_config.target(args.name)
    found = survey.survey(args.data)
    facts = new_config.facts(args.data, args.label_map, found)
    original = models.config_file(args.like).read_text(encoding="utf-8")
    text = new_config.edited(original, path.stem, args.like, facts)
    new_config.write(path, text)
    new_config.warn_of_sides(list(facts.classes), text)
    try:
        for line in coverage.coverage(pipeline.parse(path).model, found).in_words():
            say(line)
    except UserError as error:
        say(f"anchors: not checked, {error}")
    say(f"{shown(path)}: classes: {', '.join(facts.classes)}; {facts.train:,} train frames")
    say(f"Next: step 5, ./train.sh {args.name}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
