"""The memory that a piece of work takes, measured in a process of its own."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MB = 1e6


def in_process(module: str, arguments: Sequence[str]) -> Any:
    """Return the JSON value that ``python -m module arguments`` prints last."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout.splitlines()[-1])


class Meter:
    """Memory above what the process held when the meter was made, in MB."""

    def __init__(self) -> None:
        self.before = _status("VmRSS")

    def peak(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Return the peak while ``work`` runs, and what it returns."""
        # 5: the peak of the resident set begins anew, at what is resident now.
        Path("/proc/self/clear_refs").write_text("5")
        result = work()
        return _status("VmHWM") - self.before, result

    def now(self) -> float:
        """Return what is held now."""
        return _status("VmRSS") - self.before


def give_back() -> None:
    """Return memory that was freed to the system, so that it does not hide what is asked for next."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status(key: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{key}:")[1].split()[0]) * 1024 / MB
