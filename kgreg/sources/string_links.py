"""The large files of STRING: ``protein.links``, ``.detailed`` and ``.full``, streamed into compact arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from kgreg.errors import SourceError
from kgreg.sources.files import name_of, open_bytes, read_lines

#: Channel, as a property -> its names in the files.
CHANNELS = {
    "neighborhood": ("neighborhood",),
    "fusion": ("fusion",),
    "cooccurrence": ("cooccurence", "cooccurrence"),
    "coexpression": ("coexpression",),
    "experimental": ("experimental", "experiments"),
    "database": ("database",),
    "textmining": ("textmining",),
}
MAX_SCORE = 1000

_COMBINED = "combined_score"
_BLOCK = 8 * 2**20
_AGAIN = "Download the file again, or correct the line."


@dataclass(frozen=True)
class Links:
    """Pairs of proteins, each once.

    Attributes
    ----------
    proteins
        Names as in the file (``9606.ENSP00000000233``), sorted.
    first, second
        Positions in ``proteins``, first < second; shape [pairs].
    score
        Combined score from 0 to 1000; shape [pairs].
    channels
        Channel -> score; shape [pairs]; only those that the file has.
    dropped
        What was left out -> rows.
    """

    proteins: list[str]
    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    score: npt.NDArray[np.int16]
    channels: dict[str, npt.NDArray[np.int16]]
    dropped: dict[str, int]


def read_links(location: Path | str, taxon: int, min_score: int, channels: Mapping[str, int]) -> Links:
    """Read the pairs of one taxon that reach a combined score and, in named columns, further scores.

    Raises
    ------
    SourceError
        If the file is malformed (file and line), has no row of the taxon, or lacks a column of ``channels``; if a
        score asked for is not a whole number from 0 to 1000.
    """
    for name, least in {"min_score": min_score, **channels}.items():
        # A number between 0 and 1 would let everything pass, which nobody who writes 0.7 means.
        if least not in range(MAX_SCORE + 1):
            raise SourceError(
                f"The least score of '{name}' is {least}; scores are whole numbers from 0 to {MAX_SCORE}.",
                "700 is called high confidence, 400 medium, 900 highest.",
            )
    header = _header(location)
    missing = [name for name in channels if name not in header]
    if missing:
        raise SourceError(
            f"{name_of(location)} has no channel {', '.join(missing)}.", f"Its columns are: {', '.join(header[2:])}."
        )
    present = {
        channel: next(name for name in names if name in header)
        for channel, names in CHANNELS.items()
        if any(name in header for name in names)
    }
    limits = {_COMBINED: min_score, **channels}
    collected = _Collector(header, taxon, limits, [_COMBINED, *present.values()])
    try:
        with open_bytes(location) as stream:
            collected.read(stream)
    except (pa.ArrowException, _FaultError) as error:
        _find_fault(location, header)
        raise SourceError(f"{name_of(location)} cannot be read: {error}.", _AGAIN) from error
    if not collected.of_taxon:
        raise SourceError(
            f"{name_of(location)} has no pair of proteins of taxon {taxon}.", "Choose another species, or another file."
        )
    return collected.links(present)


class _FaultError(ValueError):
    """Something that Arrow reads and STRING never writes; its line is found in a second pass."""


class _Collector:
    """Rows that pass, as numbers: proteins by a code of their own, scores as int16."""

    def __init__(self, header: list[str], taxon: int, limits: dict[str, int], kept: list[str]) -> None:
        self._header = header
        self._prefix = f"{taxon}."
        self._limits = limits
        self._kept = kept
        self._codes: dict[str, int] = {}
        self._parts: list[list[npt.NDArray[np.int32] | npt.NDArray[np.int16]]] = []
        self.of_taxon = 0
        self._foreign = 0
        self._weak = 0

    def read(self, stream: object) -> None:
        scores = self._header[2:]
        protein = pa.dictionary(pa.int32(), pa.string())
        wanted = list(dict.fromkeys([*self._kept, *self._limits]))
        reader = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=_BLOCK, column_names=self._header, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types={**dict.fromkeys(self._header[:2], protein), **dict.fromkeys(scores, pa.int16())},
                null_values=[],
                strings_can_be_null=False,
                # All scores are converted, so that a fault in any of them is seen.
                include_columns=self._header,
            ),
        )
        for batch in reader:
            for name in scores:
                extent = pc.min_max(batch[name])
                if batch.num_rows and not 0 <= extent["min"].as_py() <= extent["max"].as_py() <= MAX_SCORE:
                    raise _FaultError(f"column {name} holds a score that is not from 0 to {MAX_SCORE}")
            pair = [self._coded(batch[name]) for name in self._header[:2]]
            ours = (pair[0] >= 0) & (pair[1] >= 0)
            values = {name: batch[name].to_numpy() for name in wanted}
            strong = ours.copy()
            for name, least in self._limits.items():
                strong &= values[name] >= least
            self.of_taxon += int(ours.sum())
            self._foreign += int((~ours).sum())
            self._weak += int((ours & ~strong).sum())
            if strong.any():
                self._parts.append([column[strong] for column in (*pair, *(values[name] for name in self._kept))])

    def links(self, present: dict[str, str]) -> Links:
        """Turn what was collected into pairs, each once."""
        empty: list[npt.NDArray[np.int32] | npt.NDArray[np.int16]] = [
            np.empty(0, np.int32),
            np.empty(0, np.int32),
            *(np.empty(0, np.int16) for _ in self._kept),
        ]
        columns = [np.concatenate(parts) for parts in zip(*(self._parts or [empty]), strict=True)]
        self._parts = []
        names = np.array(list(self._codes), dtype=object)
        used = np.unique(np.concatenate(columns[:2]))
        order = used[np.argsort(names[used])] if len(used) else used
        rank = np.zeros(len(names), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        first, second = rank[columns[0]], rank[columns[1]]
        low, high = np.minimum(first, second), np.maximum(first, second)
        loops = int((low == high).sum())
        score = columns[2]
        key = low.astype(np.int64) * max(1, len(order)) + high
        # Within a pair the largest score comes first, and is the one that stays.
        chosen = np.lexsort((-score, key))
        key = key[chosen]
        fresh = np.ones(len(key), bool)
        fresh[1:] = key[1:] != key[:-1]
        least = np.minimum.reduceat(score[chosen], np.flatnonzero(fresh)) if len(key) else score
        kept = chosen[fresh]
        unequal = int((least < score[kept]).sum())
        kept = kept[low[kept] != high[kept]]
        dropped = {
            "rows of other species": self._foreign,
            "rows with lower scores than asked for": self._weak,
            "rows that pair a protein with itself": loops,
            "pairs given twice with unequal scores": unequal,
        }
        return Links(
            proteins=[str(name) for name in names[order]],
            first=low[kept],
            second=high[kept],
            score=score[kept],
            channels={channel: columns[2 + self._kept.index(name)][kept] for channel, name in present.items()},
            dropped={reason: rows for reason, rows in dropped.items() if rows},
        )

    def _coded(self, column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
        """Return the code of every protein; -1 for those of other species."""
        names = column.dictionary.to_pylist()
        if any("\0" in name for name in names):
            raise _FaultError("a protein's name holds a NUL byte")
        codes = np.fromiter(
            (self._codes.setdefault(name, len(self._codes)) if name.startswith(self._prefix) else -1 for name in names),
            np.int32,
            len(column.dictionary),
        )
        places: npt.NDArray[np.int32] = column.indices.to_numpy()
        return codes[places]


def _header(location: Path | str) -> list[str]:
    number, text = next(read_lines(location))
    header = text.split(" ")
    if header[:2] != ["protein1", "protein2"] or header[-1] != _COMBINED or len(set(header)) != len(header):
        raise SourceError(
            f"{name_of(location)}, line {number}: expected 'protein1 protein2 ... {_COMBINED}', found '{text[:100]}'.",
            "The file should be protein.links, protein.links.detailed or protein.links.full of STRING.",
        )
    return header


def _find_fault(location: Path | str, header: list[str]) -> None:
    """Go through the file line by line and raise a SourceError for the first that is wrong."""
    for number, text in read_lines(location):
        fields = text.split(" ")
        if number == 1 or not text:
            continue
        where = f"{name_of(location)}, line {number}"
        if len(fields) != len(header):
            raise SourceError(f"{where}: expected {len(header)} columns, found {len(fields)}.", _AGAIN)
        for column, value in zip(header[2:], fields[2:], strict=True):
            if not (value.isascii() and value.isdigit() and int(value[:9]) <= MAX_SCORE):
                raise SourceError(
                    f"{where}: '{value[:50]}' under {column} is not a score from 0 to {MAX_SCORE}.", _AGAIN
                )
