"""Writes run.json: what produced a run. A list, an entry for each start or resumption."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hand_detection import files, pipeline, runs, schedule, tfrecords
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.paths import API, CONFIGS, ROOT, shown


def begin(
    config: Any,
    run: Path,
    *,
    seed: int,
    overrides: dict[str, Any],
    records: list[Path],
    examples: int,
    first_step: int,
    workers: int = 1,
) -> None:
    """Add an entry, and write the config as it is used.

    Args:
        config: a pipeline.Pipeline.
        run: the run's folder.
        seed: of weights, order and augmentation.
        overrides: what the command line changes of the config, by option.
        records: the training shards.
        examples: how many records they have.
        first_step: 0, or the checkpoint's that is gone on from.
        workers: how many processes train together, each on batches of its own.
    """
    manifest = records[0].parent / tfrecords.MANIFEST
    entry = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": config.name if config.path.parent == CONFIGS else shown(config.path),
        "command": sys.argv[1:],
        "overrides": overrides,
        "first_step": first_step,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "workers": workers,
        "learning_rate": schedule.base_rate(config.proto),
        "seed": seed,
        "examples": examples,
        "records": {
            "folder": shown(records[0].parent),
            "manifest_sha256": files.sha256(manifest) if manifest.exists() else None,
        },
        "commit": _commit(),
        "api": files.read_json(API / "PORT.json")["source"],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "protobuf", "tf-keras", "tf-slim")},
            "tensorflow": compat.activate().__version__,
        },
        "cpus": len(os.sched_getaffinity(0)),
    }
    files.write_json(run / runs.HISTORY, [*runs.history(run), entry])
    files.write_text(run / runs.CONFIG, config.text())


def end(run: Path, *, step: int, seconds: float, why: str) -> None:
    """Complete the last entry.

    Args:
        run: the run's folder.
        step: the last step.
        seconds: since the entry was begun.
        why: it ended.
    """
    *earlier, last = runs.history(run)
    last |= {"last_step": step, "seconds": round(seconds, 1), "ended": why}
    files.write_json(run / runs.HISTORY, [*earlier, last])


def check_same_model(config: Any, run: Path) -> None:
    """A run is one model; going on with another would fail late, or worse, would not.

    Raises:
        UserError: the run was begun with another `model` block.
    """
    used = run / runs.CONFIG
    if used.exists() and pipeline.parse(used).model != config.proto.model:
        raise UserError(
            f"the model block of the config is not that of {shown(used)}: train under another "
            "name with --run NAME, or start anew with --overwrite"
        )


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.strip() or None
