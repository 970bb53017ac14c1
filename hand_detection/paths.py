"""Where things stand in the repository. Every folder name is written here once."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CONFIGS = ROOT / "configs"
DATA = ROOT / "data"
EGOHANDS = DATA / "egohands"  # the full data set: images/, labels/, tfrecords/
SAMPLE = DATA / "sample"  # the generated one, in the same layout
PRETRAINED = DATA / "pretrained"  # one folder a checkpoint
RUNS = ROOT / "runs"  # training: one folder a model
EXPORTED = ROOT / "exported"  # one folder an exported model

SUBMODULE = ROOT / "models"  # tensorflow/models at the pinned commit, never changed
BUILD = ROOT / "build"
API = BUILD / "models"  # the ported copy of the API, made by install.sh


def shown(path: Path | str) -> str:
    """`path` as a user would type it: relative to the working directory if below it."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except (ValueError, RuntimeError):  # not below it; links in a circle, before Python 3.13
        return str(path)
