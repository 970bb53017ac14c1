"""The packages of tools/requirements-deploy.txt: imported when asked for, missed in plain words."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from hand_detection.console import UserError


def need(name: str) -> ModuleType:
    """Import the module `name` of a deployment package.

    Raises:
        UserError: it is not installed.
    """
    require(name.partition(".")[0])
    return importlib.import_module(name)


def require(package: str) -> None:
    """Whether a package is there, without importing it: some bring TensorFlow with them.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"the package for {package} is not installed: run ./install.sh --deploy first"
        )
