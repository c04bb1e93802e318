"""A genome in FASTA, read by windows through an index (pyfaidx); it is never in memory whole."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgreg.data.sequence.chromosomes import match_chromosome
from kgreg.data.sequence.codes import NO_LETTER, UNKNOWN, count_letters, encode
from kgreg.errors import DataError, OutputError, some
from kgreg.fetch import default_cache_path
from kgreg.optional import need


class Genome:
    """An open genome. Use it in a ``with`` statement.

    The index is ``<file>.fai``, made when there is none or the file is newer (in the cache folder where the folder of
    the genome cannot be written).

    Parameters
    ----------
    path
        A FASTA file: plain, or compressed with ``bgzip``.

    Attributes
    ----------
    path
        Of the file.
    lengths
        Chromosome -> number of letters.

    Raises
    ------
    DataError
        If the file is missing, is no FASTA file, has lines of different lengths or two chromosomes of one name.
    MissingPackageError
        If pyfaidx is not installed.
    """

    def __init__(self, path: Path | str) -> None:
        pyfaidx = need("pyfaidx", "seq")
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f"{path} is not a file.", "Give the path of a genome in FASTA.")
        try:
            self._faidx: Any = pyfaidx.Faidx(str(self.path), indexname=_index_of(self.path), as_raw=True)
        except Exception as error:  # pyfaidx raises many kinds
            raise DataError(f"{path} cannot be read as a genome: {error}", _hint(self.path)) from error
        self.lengths: dict[str, int] = {name: int(entry.rlen) for name, entry in self._faidx.index.items()}

    def __enter__(self) -> Genome:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._faidx.close()

    def resolve(self, name: str) -> str | None:
        """Return what the genome calls a chromosome (``chr1`` for ``1``), or None."""
        return match_chromosome(name, self.lengths)

    def read(self, chrom: str, start: int, end: int, counts: Counter[str] | None = None) -> NDArray[np.uint8]:
        """Return the codes ``[end - start]`` of a piece; unknown before the chromosome begins and after it ends.

        Parameters
        ----------
        chrom
            As the genome calls it.
        start, end
            From 0, the end left out; may lie beyond the chromosome.
        counts
            Gets what :func:`kgreg.data.sequence.codes.count_letters` counts.

        Raises
        ------
        DataError
            If there is no such chromosome, or a letter is none of a nucleotide.
        """
        if chrom not in self.lengths:
            raise DataError(f"{self.path} has no chromosome '{chrom}'.", f"It has {some(self.lengths, 10)}.")
        codes = np.full(end - start, UNKNOWN, dtype=np.uint8)
        first, last = max(start, 0), min(end, self.lengths[chrom])
        if first >= last:
            return codes
        letters = str(self._faidx.fetch(chrom, first + 1, last)).encode("utf-8")
        found = encode(letters)
        if len(found) != last - first or found.max() == NO_LETTER:
            raise DataError(
                f"{self.path}, {chrom}:{first}-{last}: there are letters that are none of a nucleotide.",
                f"The file is no genome, or has changed since its index was made; remove {self._faidx.indexname}.",
            )
        if counts is not None:
            count_letters(letters, counts)
        codes[first - start : last - start] = found
        return codes

    def identity(self) -> str:
        """Return what tells this file from another or a later one: path, size and time of change."""
        status = self.path.stat()
        return f"{self.path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _index_of(path: Path) -> str:
    beside = path.with_name(path.name + ".fai")
    if beside.is_file() or os.access(path.parent, os.W_OK):
        return str(beside)
    folder = default_cache_path() / "genomes"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error}.", "$KGREG_CACHE names the cache folder.") from error
    return str(folder / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.fai")


def _hint(path: Path) -> str:
    if path.suffix == ".gz":
        return "Unpack it with gunzip, or compress it with bgzip, of which parts can be read."
    return "Every chromosome needs a name of its own, and all its lines but the last must be of one length."
