"""What a run was made with."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("torch", "lightning", "scikit-learn", "numpy", "pandas", "anndata", "ladybug")


def describe_environment() -> dict[str, Any]:
    """Return start, command, package versions and machine (JSON values)."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "packages": {name: version(name) for name in _PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPU cores, {device}",
    }
