"""Trained runs side by side on the same frames, and whether they really differ.

    python -m hand_detection.compare RUN[@STEP] RUN[@STEP] ... [--split SPLIT] [--data DIR]

It leaves runs/compare-RUN-RUN-SPLIT.html, one page without a reference to outside, and .json.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hand_detection import checkpoints, coco, console, held_out, runs
from hand_detection.console import UserError, say
from hand_detection.paths import RUNS, shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="compare.sh", description="Compare trained runs on the same frames."
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN[@STEP]",
        help="folders below runs/, the newest checkpoint unless a step is given; the others are "
        "compared with the first",
    )
    parser.add_argument("--split", default="val", help="which records (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a prepared data set (default: the one that the first run was trained on)",
    )
    arguments = parser.parse_args()
    if len(set(arguments.runs)) < 2:
        parser.error("name at least two different runs")
    found = [_find(name) for name in arguments.runs]
    contenders = evaluate(found, arguments.split, arguments.data)

    from hand_detection.insight import comparison

    result = comparison.compare(contenders)
    name = "-".join(contender.name.replace("@", "_") for contender in contenders)
    page = RUNS / f"compare-{name}-{arguments.split}.html"
    comparison.write(page, result)
    for line in comparison.text(result):
        say(line)
    say(f"written to {shown(page)}")


@dataclass(frozen=True)
class Contender:
    """One of the compared: its name, its evaluated images, and how they stand to its training.

    `trained_on` is a key of held_out.MEANING; `classes` are ids by name.
    """

    name: str
    images: list[coco.Image]
    classes: dict[str, int]
    trained_on: str


def _find(name: str) -> tuple[str, Path, Path]:
    """A run by its name: the name, the run's folder, its checkpoint's prefix.

    Raises:
        UserError: there is no such run, or checkpoint.
    """
    run, _, step = name.partition("@")
    folder = RUNS / run
    if not (folder / runs.CONFIG).is_file():
        there = sorted(path.parent.name for path in RUNS.glob(f"*/{runs.CONFIG}"))
        raise UserError(f"no run {run!r} in {shown(RUNS)}: there are {', '.join(there) or 'none'}")
    return name, folder, checkpoints.find(run, folder, step or None)[0]


def evaluate(
    found: Sequence[tuple[str, Path, Path]], split: str, data: Path | None
) -> list[Contender]:
    """Detect with each run's checkpoint in the same records.

    Args:
        found: name, run's folder and checkpoint's prefix of each.
        split: which records.
        data: a prepared data set's folder; None for the first run's own.

    Raises:
        UserError: the runs have other classes, or a checkpoint does not fit.
    """
    from hand_detection import pipeline
    from hand_detection.evaluator import Evaluator

    contenders: list[Contender] = []
    for name, folder, prefix in found:
        config = pipeline.load(str(folder / runs.CONFIG), data=data)
        if data is None:
            # The others are asked about the first one's frames.
            reader = pipeline.eval_reader(config.proto)
            data = pipeline.record_files(reader, split)[0].parent.parent
        evaluator = Evaluator(config, split)
        if contenders and evaluator.classes != contenders[0].classes:
            raise UserError(
                f"{name} has the classes {', '.join(evaluator.classes)}, "
                f"{contenders[0].name} has {', '.join(contenders[0].classes)}: not comparable"
            )
        images = evaluator.run(prefix, name).images
        trained_on = held_out.kind(folder, evaluator.folder, split)
        contenders.append(Contender(name, images, evaluator.classes, trained_on))
    return contenders


if __name__ == "__main__":
    console.run(main)
