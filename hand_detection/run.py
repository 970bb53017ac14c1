"""Runs a module of this package as a command; the faces start it by `python -I run.py NAME ...`.

So isolated, Python takes nothing from the working directory or PYTHON* variables: a json.py that
lies there is somebody else's. Of the variables, the wish for no bytecode is heard all the same.
"""

import os
import runpy
import sys
from pathlib import Path


def command(name: str, *arguments: str) -> list[str]:
    """What starts the module hand_detection.`name` as a process of its own."""
    return [sys.executable, "-I", __file__, name, *arguments]


if __name__ == "__main__":
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module(f"hand_detection.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
