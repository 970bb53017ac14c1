"""Unpack the API as PyPI has it, unported, into a folder; setup.sh calls it with .venv's Python."""

from __future__ import annotations

import sys
from pathlib import Path

from hand_detection import console, paths, pypi
from hand_detection.api import source


def main() -> None:
    wheel = pypi.fetch(
        source.WHEEL_REQUIREMENT,
        source.WHEEL_NAME,
        source.WHEEL_SHA256,
        paths.BUILD / "downloads",
    )
    source.unpack_wheel(wheel, Path(sys.argv[1]))


if __name__ == "__main__":
    console.run(main)
