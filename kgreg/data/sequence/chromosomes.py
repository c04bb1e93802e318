"""Names of chromosomes: ``1`` against ``chr1``, and what they mean for splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.errors import DataError, some

#: What :func:`match_chromosomes` counts.
RENAMED = "intervals on chromosomes that are named otherwise (1 and chr1)"

_PREFIX = "chr"
_MITOCHONDRIAL = {"M": "MT", "MT": "M", "chrM": "chrMT", "chrMT": "chrM"}


def match_chromosome(name: str, known: Collection[str]) -> str | None:
    """Return the name in ``known`` of the chromosome ``name``: itself, or with ``chr`` added or taken away.

    The mitochondrial one is M, MT, chrM or chrMT. None: it is not known.
    """
    others = [name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else _PREFIX + name]
    others += [_MITOCHONDRIAL[form] for form in (name, *others) if form in _MITOCHONDRIAL]
    return next((form for form in (name, *others) if form in known), None)


def match_chromosomes(
    names: pd.Series[str], known: Collection[str], origin: str, where: str, counts: Counter[str]
) -> list[str]:
    """Return the name in ``known`` of every chromosome in ``names``; "" where there is none.

    Parameters
    ----------
    origin, where
        What names the chromosomes, and what ``known`` is of, for messages.
    counts
        Gets how many are named otherwise.

    Raises
    ------
    DataError
        If none is known.
    """
    of_name = {name: match_chromosome(name, known) or "" for name in names.unique()}
    if of_name and not any(of_name.values()):
        raise DataError(
            f"{origin} names chromosomes {some(of_name)}, of which {where} has none; it has {some(known)}.",
            "Check that both are of the same genome assembly.",
        )
    matched = [of_name[name] for name in names]
    renamed = sum(found not in ("", name) for name, found in zip(names, matched, strict=True))
    if renamed:
        counts[RENAMED] += renamed
    return matched


def chromosome_groups(intervals: pd.DataFrame, names: list[str], origin: str) -> NDArray[np.object_]:
    """Return the chromosome of every sample, as the group that is never split.

    Raises
    ------
    DataError
        If that of a sample is not known; the message names samples.
    """
    unknown = np.flatnonzero((intervals["chrom"] == "").to_numpy())
    if len(unknown):
        raise DataError(
            f"{origin}: of {len(unknown)} of {len(intervals)} sequences the chromosome is not known: "
            f"{some(names[row] for row in unknown)}.",
            'Give them names such as chr1:100-300, or set group = "none" in [data].',
        )
    return intervals["chrom"].to_numpy(dtype=object)


def chromosome_parts(groups: NDArray[np.object_], test: Iterable[str], origin: str) -> NDArray[np.object_]:
    """Return "test" for every sample on a chromosome of ``test``, else "train".

    Raises
    ------
    DataError
        If there is no sample on one of them, or on no other.
    """
    found = set(groups)
    matched = {name: match_chromosome(name, found) for name in test}
    missing = [name for name, known in matched.items() if known is None]
    if missing:
        raise DataError(
            f"{origin} has no sequence on {', '.join(missing)}, which test_chromosomes names.",
            f"There are sequences on: {some(sorted(found), 30)}.",
        )
    parts = np.where(np.isin(groups.astype(str), [str(known) for known in matched.values()]), "test", "train").astype(
        object
    )
    if not (parts == "train").any():
        raise DataError(f"{origin} has no sequence on other chromosomes than those to test.", "Leave some to train.")
    return parts
