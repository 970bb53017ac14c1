"""The checkpoints of a training run: found by looking, never assumed."""

from __future__ import annotations

import re
from pathlib import Path

from hand_detection.console import UserError
from hand_detection.paths import RUNS, shown

PREFIX = "model.ckpt"
BEST = "best"  # the folder in a run with the best checkpoint so far
_INDEX = re.compile(rf"{re.escape(PREFIX)}-(\d+)\.index")


def run_folder(model: str, run: str | None = None) -> Path:
    """Where the training of `model` keeps what it makes: runs/MODEL, or runs/RUN."""
    return RUNS / (run or Path(model).stem)


def run_of(prefix: Path) -> Path:
    """The folder of the run that the checkpoint `prefix` is of."""
    return prefix.parent.parent if prefix.parent.name == BEST else prefix.parent


def all_steps(run: Path) -> list[int]:
    """The steps of the complete checkpoints in `run`, ascending.

    TensorFlow renames the index into place when the data are there, so an index is the sign
    that a checkpoint is whole.
    """
    if not run.is_dir():
        return []
    found = (_INDEX.fullmatch(path.name) for path in run.iterdir())
    steps = [int(match[1]) for match in found if match]
    return sorted(step for step in steps if list(run.glob(f"{PREFIX}-{step}.data-*")))


def latest(run: Path) -> tuple[Path, int] | None:
    """The newest checkpoint's prefix and step, or None."""
    steps = all_steps(run)
    return (run / f"{PREFIX}-{steps[-1]}", steps[-1]) if steps else None


def prune(run: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of `run`; the best one is kept elsewhere."""
    for step in all_steps(run)[:-keep]:
        for file in run.glob(f"{PREFIX}-{step}.*"):
            file.unlink()


def clear(run: Path) -> None:
    """Delete what a killed training left of a checkpoint that it was writing."""
    for file in run.glob(f"{PREFIX}-*.tempstate*"):
        file.unlink()


def find(model: str, run: Path, checkpoint: str | None = None) -> tuple[Path, int]:
    """A checkpoint's prefix and step: the newest of `run`, or the one asked for.

    Args:
        model: the model's name, for the message.
        run: the run's folder.
        checkpoint: a step ("1000"), "best", or the path of a checkpoint with or without its
            suffix.

    Raises:
        UserError: there is none; the text says what to run first, or which there are.
    """
    if checkpoint is None:
        found = latest(run)
        if found is None:
            raise UserError(f"no checkpoint in {shown(run)}: run ./train.sh {model} first")
        return found
    if checkpoint == BEST:
        found = latest(run / BEST)
        if found is None:
            raise UserError(f"no best checkpoint in {shown(run)}: run ./train.sh {model} first")
        return found
    prefix = run / f"{PREFIX}-{checkpoint}"
    if not checkpoint.isdigit():
        prefix = Path(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", checkpoint))
    if not prefix.name or not prefix.with_name(prefix.name + ".index").is_file():
        there = ", ".join(map(str, all_steps(run))) or "none"
        raise UserError(f"no checkpoint {checkpoint!r}; {shown(run)} has the steps: {there}")
    step = re.search(r"-(\d+)$", prefix.name)
    return prefix, int(step[1]) if step else 0
