"""Small files that the tests of sequences read."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np

LETTERS = np.array(list("ACGT"))


def random_letters(random: np.random.Generator, length: int, gc: float = 0.5) -> str:
    return "".join(random.choice(LETTERS, length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]))


def write_fasta(path: Path, records: Iterable[tuple[str, str]], width: int = 60) -> Path:
    lines = []
    for name, letters in records:
        lines += [f">{name}", *(letters[i : i + width] for i in range(0, len(letters), width))]
    return write_text(path, "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path
