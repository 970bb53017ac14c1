"""Runs a Python step in .venv, whichever Python it was started with. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hand_detection.paths import ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def enter() -> None:
    """Start the running script again with .venv's Python, unless it runs there already."""
    if not PYTHON.exists():
        sys.exit("error: .venv is missing: run ./install.sh first")
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
