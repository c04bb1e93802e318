"""One writer at a time: a lock beside the store that dies with the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kgreg.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: an open database file cannot be removed there, which is guard enough.
    fcntl = None  # type: ignore[assignment]


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the right to write the store at ``path``; the file ``<path>.lock`` is gone afterwards.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    file = path.with_name(path.name + ".lock")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _busy(path) from None
            # Whoever held the lock before may have removed the file between our opening and locking it.
            if not file.exists() or not os.path.samestat(os.fstat(descriptor), file.stat()):
                raise _busy(path)
        try:
            yield
        finally:
            with suppress(OSError):
                file.unlink()
    finally:
        os.close(descriptor)


def _busy(path: Path) -> StoreError:
    return StoreError(f"Another process is loading into {path}.", "Wait until it has finished, then try again.")
