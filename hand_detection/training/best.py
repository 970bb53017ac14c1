"""The best checkpoint of a run so far, kept in runs/RUN/best, and whether to go on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hand_detection import checkpoints, coco, files, runs

RECORD = "best.json"
METRICS = {"AP": coco.AP, "AP50": coco.AP50}


def read(run: Path) -> dict[str, Any] | None:
    """What best.json says: "step", "by" (a key of METRICS) and "metrics"; None if none is kept.

    Raises:
        UserError: it is not what a training wrote.
    """
    path = run / checkpoints.BEST / RECORD
    if not path.exists():
        return None
    best = files.read_json(path)
    files.check_types(best, path, step=int, by=str, metrics=dict)
    runs.check_numbers(best["metrics"], path)
    return best


def consider(run: Path, step: int, metrics: dict[str, float], by: str) -> bool:
    """Keep the checkpoint of `step` if no other was better; the folder is replaced at once.

    Args:
        run: the run's folder, with the checkpoint in it.
        step: of the checkpoint.
        metrics: its 12 COCO numbers by tag.
        by: which of them decides, a key of METRICS; among equals the earlier stays.

    Returns:
        Whether it was the best.
    """
    folder = run / checkpoints.BEST
    files.mend_folder(folder)
    before = read(run)
    if before is not None and metrics[METRICS[by]] <= before["metrics"][METRICS[by]]:
        return False
    prefix = f"{checkpoints.PREFIX}-{step}"
    with files.whole_folder(folder, replace=True) as partial:
        for file in run.glob(f"{prefix}.*"):
            try:
                os.link(file, partial / file.name)  # TensorFlow never writes into it again
            except OSError:
                shutil.copyfile(file, partial / file.name)
        files.write_json(partial / RECORD, {"step": step, "by": by, "metrics": metrics})
    return True


def without_gain(run: Path) -> int:
    """How many evaluations there were since the best one."""
    best = read(run)
    return sum(step > best["step"] for step in runs.validated(run)) if best else 0
