"""Codes of many sequences: in memory while they are few, else in a memory-mapped file that is written once."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from kgreg.disk import flush, replace_text
from kgreg.errors import DataError, OutputError
from kgreg.fetch import default_cache_path

#: Codes of fewer bytes are kept in memory.
IN_MEMORY = 64 * 2**20
# Bytes that are hashed at a time.
_BLOCK = 2**22

#: Yields codes in blocks ``[b, length]``, and counts letters meanwhile.
Rows = Callable[[Counter[str]], Iterable[NDArray[np.uint8]]]


def keep_codes(
    rows: Rows, count: int, length: int, key: str, folder: Path | None = None
) -> tuple[NDArray[np.uint8], Counter[str]]:
    """Return the codes ``[count, length]`` that ``rows`` yields, and what it counted.

    From ``IN_MEMORY`` bytes on they are written, block by block, to a file in the cache, and mapped into memory,
    read-only, with the counts beside them. What was written under the same key before is used as it is.

    Parameters
    ----------
    rows
        Called at most once.
    key
        What the codes follow from: contents of files, and options.
    folder
        Of the files; default: ``sequences`` in the cache (``$KGREG_CACHE``).

    Raises
    ------
    DataError
        If there come more or fewer rows than ``count``: a file has changed while it was read.
    OutputError
        If the file cannot be written.
    """
    if count * length < IN_MEMORY:
        codes, counts = np.empty((count, length), dtype=np.uint8), Counter[str]()
        _fill(rows(counts), count, lambda first, block: codes.__setitem__(slice(first, first + len(block)), block))
        return codes, counts
    folder = default_cache_path() / "sequences" if folder is None else folder
    name = hashlib.sha256(f"{key} {count} {length}".encode()).hexdigest()
    path = folder / f"{name}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            if not _is_whole(path, (count, length)):
                _write(path, rows, count, length)
            return np.load(path, mmap_mode="r"), Counter(json.loads(_counts_of(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            f"{count * length / 2**20:,.0f} MiB are needed. Make room, or name another folder in $KGREG_CACHE.",
        ) from error


def content_of(codes: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of codes, hex, read block by block."""
    digest = hashlib.sha256(str(codes.shape).encode())
    size = max(1, _BLOCK // max(1, codes.shape[1]))
    for start in range(0, len(codes), size):
        digest.update(np.ascontiguousarray(codes[start : start + size]).data)
    return digest.hexdigest()


def _write(path: Path, rows: Rows, count: int, length: int) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, length)}
            np.lib.format.write_array_header_1_0(file, header)
            counts = Counter[str]()
            _fill(rows(counts), count, lambda first, block: file.write(np.ascontiguousarray(block).data))
        flush(aside)
        # First, so that there are no codes without their counts.
        replace_text(_counts_of(path), json.dumps(counts))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _fill(blocks: Iterable[NDArray[np.uint8]], count: int, put: Callable[[int, NDArray[np.uint8]], object]) -> None:
    done = 0
    for block in blocks:
        if done + len(block) <= count:
            put(done, block)
        done += len(block)
    if done != count:
        raise DataError(f"{count} sequences were announced, and {done} came.", "A file changed while it was read.")


def _counts_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_whole(path: Path, shape: tuple[int, int]) -> bool:
    try:
        found = np.load(path, mmap_mode="r")
        json.loads(_counts_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError):
        return False
    return bool(found.shape == shape and found.dtype == np.uint8)
