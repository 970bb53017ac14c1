"""What the folder of a training run says of it: its history, its config, its evaluations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hand_detection import files
from hand_detection.coco import TAGS
from hand_detection.console import UserError, warn
from hand_detection.paths import shown

HISTORY = "run.json"
CONFIG = "pipeline.config"
_VALIDATION = re.compile(r"validation-(\d+)\.json")


def history(run: Path) -> list[dict[str, Any]]:
    """The entries of run.json, one for each start or resumption; see training/record.py.

    Raises:
        UserError: it is not what a training wrote.
    """
    path = run / HISTORY
    if not path.is_file():
        return []
    entries = files.read_json(path)
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{shown(path)} is not a list of a training's starts: move it away")
    for entry in entries:
        files.check_types(
            entry,
            path,
            started=str,
            model=str,
            overrides=dict,
            first_step=int,
            steps=int,
            batch_size=int,
            learning_rate=(int, float),
            seed=int,
            examples=int,
            records=dict,
            commit=(str, type(None)),
            api=dict,
            versions=dict,
        )
        files.check_types(entry["api"], path, kind=str, version=str)
        files.check_types(entry["records"], path, folder=str, manifest_sha256=(str, type(None)))
    return entries


def validation_file(run: Path, step: int) -> Path:
    """Where training writes the numbers of its own evaluation of a checkpoint.

    Apart from eval.sh's, which may be of other records: it is the sign that the step is done.
    """
    return run / f"validation-{step}.json"


def validated(run: Path) -> list[int]:
    """The steps that training has evaluated on the validation records, ascending."""
    found = (_VALIDATION.fullmatch(path.name) for path in run.iterdir()) if run.is_dir() else ()
    return sorted(int(match[1]) for match in found if match)


def read_evaluation(path: Path) -> dict[str, Any]:
    """The record of an evaluation, as `evaluator.Result.record` makes it.

    Raises:
        UserError: it is none.
    """
    record = files.read_json(path)
    files.check_types(
        record,
        path,
        model=str,
        split=str,
        step=(int, type(None)),
        trained_on=str,
        images=int,
        metrics=dict,
    )
    check_numbers(record["metrics"], path)
    return record


def check_numbers(metrics: dict[str, Any], path: Path) -> None:
    """Refuse numbers, read from the file `path`, that are not COCO's by tag.

    Raises:
        UserError: they are none.
    """
    numbers = all(isinstance(value, int | float) for value in metrics.values())
    if not numbers or not set(TAGS) <= metrics.keys():
        raise UserError(f"{shown(path)} does not hold COCO's numbers: move it away")


def evaluations(run: Path) -> list[dict[str, Any]]:
    """The evaluations of the run's checkpoints, by training and by eval.sh, newest step first.

    What cannot be read is left out, with a warning.
    """
    records = []
    for path in sorted([*run.glob("eval-*.json"), *run.glob("validation-*.json")]):
        try:
            content = files.read_json(path)
            if isinstance(content, list):  # eval-SPLIT-all.json: all of these again
                continue
            record = read_evaluation(path)
        except UserError as error:
            warn(f"warning: {error}: left out")
            continue
        if record["step"] is not None:  # else it is of a detections file
            records.append(record)
    return sorted(records, key=lambda record: -record["step"])
