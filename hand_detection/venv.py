"""Runs a Python step in .venv, whichever Python it was started with. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hand_detection.paths import ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def enter() -> None:
    """Start the running script again with .venv's Python, unless it runs there already.

    Isolated (-I), as the shell faces start it too: see `run`.
    """
    if not PYTHON.exists():
        sys.exit("error: .venv is missing: run ./install.sh first")
    if Path(sys.prefix).resolve() != VENV.resolve() or not sys.flags.isolated:
        os.execv(PYTHON, [str(PYTHON), "-I", *sys.argv])
    # What -I leaves out too, and is not somebody else's.
    sys.path.append(str(Path(sys.argv[0]).resolve().parent))
