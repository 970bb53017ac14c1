"""The packages of tools/requirements-deploy.txt: imported when asked for, missed in plain words."""

from __future__ import annotations

import importlib
from types import ModuleType

from hand_detection.console import UserError


def need(name: str) -> ModuleType:
    """Import the module `name` of a deployment package.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise UserError(
            f"the package for {error.name} is not installed: run ./install.sh --deploy first"
        ) from None
