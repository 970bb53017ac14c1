"""What measures the original stack, or ours, each time in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hand_detection import venv
from hand_detection.console import UserError
from hand_detection.paths import shown

FOLDER = Path(__file__).resolve().parent


def require(original: Path) -> None:
    """See that the folder `original` holds the original stack.

    Raises:
        UserError: it does not.
    """
    if not (original / "installed.txt").is_file():
        where = shown(original)
        raise UserError(
            f"{where} does not hold the original stack: run benchmarks/original/setup.sh {where}"
        )


def measure(original: Path | None, script: str, *options: object) -> dict[str, Any]:
    """What a script prints last.

    Args:
        original: the folder of the original stack; None for ours.
        script: in benchmarks/original or benchmarks/ours.
        options: its arguments.

    Raises:
        UserError: the script fails; the text has its last words.
    """
    python = original / "venv/bin/python" if original else venv.PYTHON
    path = FOLDER / ("original" if original else "ours") / script
    command = [str(python), "-W", "ignore", str(path), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{path.relative_to(FOLDER.parent)} failed: {last}")
    return json.loads(done.stdout.splitlines()[-1])
