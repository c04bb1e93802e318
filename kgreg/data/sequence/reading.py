"""Sequences as samples: files of classes, or one file with a table of labels or a signal track."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.multiomics.tables import read_any_table
from kgreg.data.samples import Columns, Samples, label_samples
from kgreg.data.sequence.chromosomes import chromosome_groups, chromosome_parts
from kgreg.data.sequence.files import SequenceFiles, open_files
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.intervals import COLUMNS, Centre, Ends
from kgreg.data.sequence.kmers import gc_content
from kgreg.data.sequence.negatives import draw_gc_matched
from kgreg.data.sequence.profiles import Statistic, read_track
from kgreg.data.sequence.shuffling import dinucleotide_shuffle
from kgreg.data.sequence.store import content_of, keep_codes
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.windows import read_windows
from kgreg.errors import DataError, some

#: Where negatives come from: windows of the genome with the same GC content, or shuffled copies.
Negatives = Literal["gc", "dinucleotide"]

#: The class of the negatives.
BACKGROUND = "background"
#: Groups that are no column of a table.
CHROMOSOME, NO_GROUP = "chromosome", "none"

#: What is counted.
NO_LABEL = "sequences without a row in the table of labels"
NO_SEQUENCE = "rows of the table of labels without a sequence, passed over"
UNGROUPED = "sequences of unknown chromosome, for which the splits ignore all chromosomes"

_CLASS = "class"


@dataclass(frozen=True)
class _Set:
    """Sequences, their names and places, and what is known of each (``obs``)."""

    codes: NDArray[np.uint8]
    intervals: pd.DataFrame
    obs: pd.DataFrame


def read_sequences(
    files: Mapping[str, Path | str | Sequence[Path | str]] | Path | str,
    columns: Columns | None = None,
    *,
    genome: Path | str | None = None,
    length: int | None = None,
    ends: Ends = "pad",
    centre: Centre = "middle",
    negatives: Negatives | None = None,
    labels: Path | str | None = None,
    targets: Mapping[str, Path | str] | None = None,
    statistic: Statistic = "mean",
    log1p: bool = False,
    test_chromosomes: Sequence[str] = (),
    seed: int = 0,
    folder: Path | None = None,
) -> Samples:
    """Read DNA sequences with what they are to teach.

    Parameters
    ----------
    files
        Class -> FASTA or BED file, or several: what is learned is the class. Or one file, with ``labels`` or
        ``targets``.
    columns
        Columns of ``labels``: what is learned, and what else. ``group`` may also be "chromosome" or "none"; default:
        the chromosome, where that of all sequences is known.
    genome
        A genome in FASTA: for BED files, and for negatives by GC content.
    length
        Of all sequences: shorter ones are padded with unknown letters at both ends, longer ones are cut there, and
        windows of BED files lie around the middle of their intervals. Default: that of the sequences, if it is the
        same for all, else of the longest, at most 1,000.
    ends
        Windows of BED files that reach beyond their chromosome: "pad" with unknown letters, or "drop".
    centre
        Windows of BED files lie around the "middle" of their intervals, or the "summit" of ``.narrowPeak`` files.
    negatives
        Beside the sequences, one for each, in the class "background": "gc", windows of the genome with the same GC
        content (:func:`draw_gc_matched`), or "dinucleotide", shuffled copies (:func:`dinucleotide_shuffle`).
    labels
        A table with names of sequences in the first column.
    targets
        One name -> bigWig file: the number that is learned is ``statistic`` of its values over the window, or with
        ``log1p`` the logarithm of that plus 1.
    test_chromosomes
        Their sequences are the test part; all others train.
    seed
        Of the negatives.
    folder
        Where codes of more than 64 MiB are written; default: in the cache.

    Returns
    -------
    Samples without features: ``sequences``, ``intervals``, ``repairs`` and ``left_out`` say what was read.

    Raises
    ------
    DataError, SourceError
        If a file, the genome, the labels or a track cannot be used (see the functions above), if the options do not go
        together, or a chromosome that is needed is not known.
    MissingPackageError
        If a package of the extra ``seq`` is needed and not installed.
    """
    columns = Columns() if columns is None else columns
    by_class = isinstance(files, Mapping)
    named = _lists(files) if isinstance(files, Mapping) else {"": [files]}
    targets = dict(targets or {})
    _refuse_options(named, by_class, columns, negatives, labels, targets, genome, test_chromosomes)
    with ExitStack() as stack:
        opened = None if genome is None else stack.enter_context(Genome(genome))
        found = open_files(named, opened, length, ends, centre)
        tally = Tally()
        table = None if labels is None else _labelled(found, read_any_table(Path(labels)), str(labels), tally)
        read = _read(found, opened, negatives, seed, folder, tally)
    tally.add(found.tally())
    if table is not None:
        read = replace(read, obs=table)
    for name, track in targets.items():
        values = read_track(track, read.intervals, statistic, tally)
        read = replace(read, obs=pd.DataFrame({name: _logarithm(values, track) if log1p else values}, read.obs.index))
        columns = replace(columns, label=name, task="regression")
    if by_class:
        columns = replace(columns, label=_CLASS, task="classification")
    return _samples(read, columns, found.origin, test_chromosomes, tally)


def _lists(files: Mapping[str, Path | str | Sequence[Path | str]]) -> dict[str, list[Path | str]]:
    return {label: [one] if isinstance(one, (str, Path)) else list(one) for label, one in files.items()}


def _refuse_options(
    files: Mapping[str, Sequence[Path | str]],
    by_class: bool,
    columns: Columns,
    negatives: Negatives | None,
    labels: Path | str | None,
    targets: Mapping[str, Path | str],
    genome: Path | str | None,
    test_chromosomes: Sequence[str],
) -> None:
    """Refuse what does not go together."""
    empty = [label for label, paths in files.items() if not paths]
    if not files or empty:
        raise DataError(f"There is no file{' of ' + empty[0] if empty else ''}.", "Give a FASTA or BED file.")
    if by_class and (labels is not None or targets):
        raise DataError(
            "Files of classes are learned by their class.", "Leave labels and targets out, or give one file."
        )
    if not by_class and (labels is None) == (not targets):
        raise DataError("One file needs a table of labels or a track.", "Give labels or targets; not both.")
    if len(targets) > 1:
        raise DataError(
            f"There are {len(targets)} tracks: {some(targets)}.", "One number a sequence is learned; give one."
        )
    if by_class and negatives is None and len(files) < 2:
        raise DataError(f"All sequences are of the class {next(iter(files))}.", "Give another class, or negatives.")
    if negatives is not None and (not by_class or BACKGROUND in files):
        raise DataError(f"Negatives are a class of their own, '{BACKGROUND}', beside other classes of files.")
    if negatives == "gc" and genome is None:
        raise DataError("Negatives with the same GC content are drawn from a genome.", 'Set genome = "... .fa".')
    if test_chromosomes and columns.split is not None:
        raise DataError("Both test_chromosomes and a column of the table fix the split.", "Give one of them.")


def _labelled(found: SequenceFiles, table: pd.DataFrame, origin: str, tally: Tally) -> pd.DataFrame:
    """Return the table with the rows of the sequences, in their order; sequences without a row are left out."""
    names = pd.Index(found.names)
    known = names.isin(table.index)
    if not known.any():
        raise DataError(
            f"{origin} names none of the {len(names)} sequences of {found.origin}; it names {some(table.index)}, and "
            f"they are {some(names)}.",
            "The first column of the table holds names of sequences: the first words of the headers of a FASTA file.",
        )
    if not known.all():
        found.keep(known, NO_LABEL)
    beside = len(table) - int(known.sum())
    if beside:
        tally.repairs[NO_SEQUENCE] += beside
    return table.loc[names[known]]


def _read(
    found: SequenceFiles,
    genome: Genome | None,
    negatives: Negatives | None,
    seed: int,
    folder: Path | None,
    tally: Tally,
) -> _Set:
    """Read the letters of the files, and of negatives beside them."""
    intervals = found.intervals()
    names, classes = found.names, found.class_of
    drawn: pd.DataFrame | None = None
    if negatives == "gc" and genome is not None:
        gc = np.concatenate([gc_content(block) for block in found.rows(Counter())])
        drawn = draw_gc_matched(genome, intervals, gc, seed=seed, tally=tally)
        # As the files call the chromosomes, so that both classes are in the same groups.
        called = drawn.assign(chrom=intervals["chrom"].to_numpy()[drawn["positive"]])
        names = names + [f"{chrom}:{start}-{end}|background" for chrom, start, end in _places(called)]
        intervals = pd.concat([intervals, called[list(COLUMNS)]], ignore_index=True)
    elif negatives == "dinucleotide":
        names = names + [f"{name}|shuffled" for name in names]
        intervals = pd.concat([intervals, intervals.assign(start=-1, end=-1)], ignore_index=True)
    classes = classes + [BACKGROUND] * (len(names) - len(classes))

    def rows(counts: Counter[str]) -> Iterator[NDArray[np.uint8]]:
        yield from found.rows(counts)
        if drawn is not None and genome is not None:
            yield from read_windows(genome, drawn, counts)
        elif negatives == "dinucleotide":
            first = 0
            for block in _joined(found.rows(Counter())):
                yield dinucleotide_shuffle(block, seed, first)
                first += len(block)

    key = f"{found.content()} {found.length} {negatives} {seed} {'' if genome is None else genome.identity()}"
    # Names stand for the sequences that are left, of BED files also for their windows.
    key += hashlib.sha256("\n".join([*names, *map(str, _places(intervals))]).encode()).hexdigest()
    codes, counts = keep_codes(rows, len(names), found.length, key, folder)
    tally.repairs.update(counts)
    return _Set(codes, intervals, pd.DataFrame({_CLASS: classes}, index=pd.Index(names, dtype=object)))


def _joined(blocks: Iterator[NDArray[np.uint8]], size: int = 512) -> Iterator[NDArray[np.uint8]]:
    """Yield blocks of at least so many rows, except for the last."""
    waiting: list[NDArray[np.uint8]] = []
    rows = 0
    for block in blocks:
        waiting.append(block)
        rows += len(block)
        if rows >= size:
            yield np.concatenate(waiting)
            waiting, rows = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _places(intervals: pd.DataFrame) -> list[tuple[str, int, int]]:
    return list(zip(intervals["chrom"], intervals["start"], intervals["end"], strict=True))


def _logarithm(values: NDArray[np.float32], track: Path | str) -> NDArray[np.float32]:
    if (values < 0).any():
        raise DataError(f"{track} has negative values, {values.min():g} the least.", "They have no logarithm.")
    return np.log1p(values)


def _samples(read: _Set, columns: Columns, origin: str, test_chromosomes: Sequence[str], tally: Tally) -> Samples:
    groups = _groups(read, columns.group, origin, tally)
    parts: NDArray[Any] | None = None
    if test_chromosomes:
        chromosomes = chromosome_groups(read.intervals, list(read.obs.index), origin)
        parts = chromosome_parts(chromosomes, test_chromosomes, origin)
    of_table = columns.group not in (None, CHROMOSOME, NO_GROUP)
    samples = label_samples(
        np.zeros((len(read.codes), 0), dtype=np.float32),
        [],
        [],
        read.obs,
        origin,
        replace(columns, group=columns.group if of_table else None),
        layer="sequence",
        sequences=read.codes,
        intervals=read.intervals,
        repairs={what: count for what, count in tally.repairs.items() if count},
        left_out={reason: count for reason, count in tally.left_out.items() if count},
    )
    content = hashlib.sha256(content_of(read.codes).encode())
    content.update("\n".join(samples.names).encode())
    content.update(np.ascontiguousarray(samples.target).tobytes())
    return replace(
        samples,
        sha256=content.hexdigest(),
        groups=samples.groups if of_table else groups,
        parts=samples.parts if parts is None else parts,
    )


def _groups(read: _Set, group: str | None, origin: str, tally: Tally) -> NDArray[np.object_] | None:
    """Return the chromosomes as groups, where they are asked for, or known and nothing else is asked for."""
    known = (read.intervals["chrom"] != "").to_numpy()
    if group == CHROMOSOME or (group is None and known.all()):
        return chromosome_groups(read.intervals, list(read.obs.index), origin)
    if group is None and known.any():
        tally.repairs[UNGROUPED] += int((~known).sum())
    return None
