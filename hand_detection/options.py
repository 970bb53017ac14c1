"""What the command lines of the training steps have in common."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hand_detection import models
from hand_detection.console import UserError


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """A parser whose help ends with the list of models."""
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"models (a config that you add to configs/ is one too):\n{models.table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def known_model(model: str) -> str:
    """An argparse type: a model that has a config."""
    try:
        models.config_file(model)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return model


def run_name(text: str) -> str:
    """An argparse type: the name of a folder, and no path to elsewhere."""
    if not text or text in (".", "..") or Path(text).name != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a folder below runs/")
    return text


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the argument MODEL; an unknown one is misuse, and told before anything is loaded."""
    parser.add_argument("model", metavar="MODEL", type=known_model, help="a name of the list below")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add --data, --run and --set."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a prepared data set (with tfrecords/ in it), instead of the config's",
    )
    parser.add_argument(
        "--run",
        type=run_name,
        metavar="NAME",
        help="the folder below runs/ (default: the model's name)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the config for this call, e.g. train_config.batch_size=8; may be repeated",
    )


def same_run(model: str, run: str, overrides: Mapping[str, Any]) -> str:
    """The arguments by which another step takes up a run: model, --run, --data and --set.

    Args:
        model: the model's name, or its config's path.
        run: the name of the run's folder.
        overrides: the training's options by name; those that other steps have too are taken.
    """
    words = [model]
    if run != Path(model).stem:
        words += ["--run", run]
    if "data" in overrides:
        words += ["--data", overrides["data"]]
    for setting in overrides.get("set", ()):
        words += ["--set", setting]
    return shlex.join(words)
