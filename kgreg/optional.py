"""Libraries that only some users need."""

from __future__ import annotations

import importlib
from typing import Any

from kgreg.errors import MissingPackageError


def need(module: str, extra: str) -> Any:
    """Import a module that comes with an optional extra of kgreg.

    Raises
    ------
    MissingPackageError
        If it is not installed; the message says which extra brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise
        raise MissingPackageError(
            f"The package {module.split('.')[0]} is not installed.", f"Run: pip install 'kgreg[{extra}]'"
        ) from None
