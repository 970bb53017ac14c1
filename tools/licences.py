#!/usr/bin/env python3
"""Write doc/licences.md: every part that the tutorial brings in, with its licence.

tools/licences.py     after a requirement was changed and installed
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Installed on some machines only, or silent in their metadata (namex has a file LICENSE).
ELSEWHERE = {
    "exceptiongroup": "MIT",
    "namex": "Apache-2.0",
    "tensorflow": "Apache-2.0",
    "tomli": "MIT",
}
HEAD = """\
# Licences

Made by `tools/licences.py` from what the packages say of themselves. This repository: MIT.

## Brought by the steps

| part | licence | from, and how it is checked |
|---|---|---|
| TensorFlow Object Detection API, TF-slim's nets | Apache-2.0 | the submodule `models`, by its \
commit; or the wheel tf-object-detection 0.0.3 on PyPI, by its SHA-256 |
| EgoHands | free for research; cite Bambach et al., ICCV 2015 | its archive has no published \
checksum: counts, every CRC and every image are checked |
| COCO model zoo checkpoints | Apache-2.0 | over https; no published checksum: gzip's own is \
checked |
| ImageNet MobileNet v1 | Apache-2.0; in the package nudity 0.2.3, MIT | PyPI, by its SHA-256 |
| CUDA libraries, with `./install.sh --gpu` only | NVIDIA's own | PyPI, by their SHA-256 |
"""


def main() -> None:
    """Parse the command line, write the page."""
    argparse.ArgumentParser(
        prog="tools/licences.py", description=__doc__.splitlines()[0]
    ).parse_args()

    from hand_detection.console import say
    from hand_detection.files import write_text
    from hand_detection.paths import shown

    target = ROOT / "doc" / "licences.md"
    write_text(target, page())
    say(f"written to {shown(target)}")


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for title, name in (
        ("Packages", "requirements.txt"),
        ("For further export formats", "tools/requirements-deploy.txt"),
        ("For the tests", "tests/requirements.txt"),
    ):
        parts.append(f"\n## {title} (`{name}`, every file by its SHA-256)\n\n")
        parts.append("| package | licence |\n|---|---|\n")
        parts += [f"| {package} | {licence(package)} |\n" for package in packages(ROOT / name)]
    return "".join(parts)


def packages(path: Path) -> list[str]:
    """The names in a list of requirements, sorted."""
    found = re.findall(
        r"^([a-z0-9-]+)(?:\[.*\])?==", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    return sorted(set(found))


def licence(package: str) -> str:
    """What an installed package says of its licence, in a few words.

    Raises:
        UserError: it is not installed, or says nothing.
    """
    from hand_detection.console import UserError

    if package in ELSEWHERE:
        return ELSEWHERE[package]
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"{package} is not installed: run ./test.sh first") from None
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or ()
        if text.startswith("License ::")
    ]
    first = (metadata.get("License") or "").strip().splitlines()[:1]
    found = metadata.get("License-Expression") or ", ".join(classifiers) or "".join(first)
    if not found:
        raise UserError(f"{package} does not say its licence: look it up, and add it to ELSEWHERE")
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
