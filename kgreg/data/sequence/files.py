"""The files of a data set of sequences, each of them FASTA or BED, brought to one length and one way of naming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.multiomics.tables import checksum
from kgreg.data.sequence.bed import is_bed
from kgreg.data.sequence.chromosomes import match_chromosome
from kgreg.data.sequence.fasta import FastaFile
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.intervals import Centre, Ends
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.windows import BedFile
from kgreg.errors import DataError, some

#: Sequences of several lengths get that of the longest, but not more than this, unless a length is given.
LONGEST = 1000


@dataclass(frozen=True)
class SequenceFiles:
    """Files that were looked through; the letters are read when they are asked for.

    Attributes
    ----------
    parts
        The files, in their order.
    classes
        Of every file: the class whose sequences it holds.
    length
        Of the windows.
    """

    parts: list[FastaFile | BedFile]
    classes: list[str]
    length: int

    @property
    def names(self) -> list[str]:
        """Names of the sequences of all files."""
        return [name for part in self.parts for name in part.names]

    @property
    def class_of(self) -> list[str]:
        """The class of every sequence."""
        return [label for label, part in zip(self.classes, self.parts, strict=True) for _ in part.names]

    @property
    def origin(self) -> str:
        """The files in words."""
        return some(part.path for part in self.parts)

    def tally(self) -> Tally:
        """Return what was read otherwise than it stands in the files, and left out."""
        total = Tally()
        for part in self.parts:
            total.add(part.tally)
        return total

    def intervals(self) -> pd.DataFrame:
        """Return where the windows lie: ``chrom, start, end, strand``; a chromosome has one name in all files."""
        table = pd.concat([part.intervals(self.length) for part in self.parts], ignore_index=True)
        names: dict[str, str] = {"": ""}
        for name in table["chrom"].unique():
            names[name] = match_chromosome(name, names.values()) or name
        return table.assign(chrom=table["chrom"].map(names))

    def rows(self, counts: Counter[str]) -> Iterator[NDArray[np.uint8]]:
        """Yield the codes of all sequences in blocks ``[b, length]``, and count letters of genomes."""
        for part in self.parts:
            yield from part.rows(self.length, counts)

    def keep(self, kept: NDArray[np.bool_], reason: str) -> None:
        """Leave the other sequences out, and count them."""
        first = 0
        for part in self.parts:
            own = kept[first : first + len(part.names)]
            first += len(own)
            if not own.all():
                part.leave_out(~own, reason)

    def content(self) -> str:
        """Return what the letters of the files themselves follow from, without those of a genome."""
        return " ".join(checksum(Path(part.path)) for part in self.parts)


def open_files(
    files: Mapping[str, Sequence[Path | str]],
    genome: Genome | None,
    length: int | None,
    ends: Ends,
    centre: Centre = "middle",
) -> SequenceFiles:
    """Look through files of sequences, and choose the length of the windows.

    Parameters
    ----------
    files
        Class -> FASTA or BED files; BED files are those that are called so (:func:`kgreg.data.sequence.bed.is_bed`).
    genome
        An open genome, for BED files.
    length
        Of the windows; default: that of the sequences, if it is the same for all, else of the longest, at most
        ``LONGEST``.
    ends
        What becomes of windows of BED files that reach beyond their chromosome.
    centre
        What windows of BED files lie around.

    Raises
    ------
    DataError, SourceError
        See :class:`FastaFile` and :class:`BedFile`; if a BED file comes without a genome, or sequences of two files
        have the same name.
    """
    if length is not None and length < 1:
        raise DataError(f"Sequences cannot be {length} letters long.", "Give a length of 1 or more.")
    parts: list[FastaFile | BedFile] = []
    classes = []
    for label, paths in files.items():
        for path in paths:
            if is_bed(path) and genome is None:
                raise DataError(f"{path} is a BED file, which needs a genome.", 'Set genome = "... .fa".')
            parts.append(BedFile(path, genome, centre) if is_bed(path) and genome is not None else FastaFile(path))
            classes.append(label)
    if length is None:
        lengths = np.unique(np.concatenate([part.lengths for part in parts]))
        length = int(lengths[0]) if len(lengths) == 1 else min(int(lengths[-1]), LONGEST)
    for part in parts:
        part.fit(length, ends)
    _name_apart(parts)
    return SequenceFiles(parts, classes, length)


def _name_apart(parts: list[FastaFile | BedFile]) -> None:
    """See that no name is used twice; where peak callers number from 1 in every file, places are the names."""
    if len(_used_twice(parts)):
        for part in parts:
            if isinstance(part, BedFile):
                part.name_by_place()
    twice = _used_twice(parts)
    if len(twice):
        where = [str(part.path) for part in parts if twice[0] in part.names]
        raise DataError(
            f"{' and '.join(where)} have {len(twice)} names in common: {some(twice)}.",
            "A sequence belongs to one class and to one file; remove it from the others, or rename it.",
        )


def _used_twice(parts: list[FastaFile | BedFile]) -> list[str]:
    return [name for name, count in Counter(name for part in parts for name in part.names).items() if count > 1]
