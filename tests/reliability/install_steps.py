"""Step 1 as the crash tests interrupt it: the environment, and the API in it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from step import Result, Step, differing, visible


def _clone(inputs: Path) -> None:
    import api_clone

    api_clone.make_project(inputs / "project", "1" * 40)
    api_clone.lend_wheel(inputs / "project")


def _stage(inputs: Path, out: Path) -> None:
    shutil.copytree(inputs / "project", out, dirs_exist_ok=True)


def _api(out: Path) -> Result:
    return {
        name: data for name, data in visible(out / "build").items() if not name.endswith(".pyc")
    }


PORT = Step(
    "install: the API",
    _clone,
    lambda inputs, out: [
        "env", f"PYTHONPATH={out}", sys.executable, "-m", "hand_detection.api.install",
        "--source", "registry",
    ],
    _api,
    stage=_stage,
    inside=True,
)  # fmt: skip


def _installed(out: Path) -> Result:
    """The API, and of each file of .venv its size: gigabytes are not to be kept in memory.

    Byte code, and what names the folder that it lies in, differ from place to place.
    """
    venv = out / ".venv"
    sizes = {
        f".venv/{path.relative_to(venv)}": str(path.stat().st_size).encode()
        for path in sorted(venv.rglob("*"))
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.parent != venv / "bin"
        and path.name not in ("RECORD", "pyvenv.cfg")
    }
    return _api(out) | sizes


def _not_whole(undisturbed: Path, out: Path) -> list[str]:
    """Without the stamp .venv is not claimed to be whole; with it, everything is there."""
    found, expected = _installed(out), _installed(undisturbed)
    different = differing(found, expected)
    if not (out / ".venv" / "installed.txt").exists():
        different = [name for name in different if not name.startswith(".venv/")]
    return [name for name in different if name in found or name.startswith(".venv/")]


VENV = Step(
    "install",
    _clone,
    lambda inputs, out: [out / "install.sh", "--source", "registry"],
    _installed,
    stage=_stage,
    damaged=_not_whole,
    inside=True,
    kills=5,
    together=True,
    quotes=True,
)
