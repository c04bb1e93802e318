"""Samples that lack a modality: kept, left out or refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError

if TYPE_CHECKING:
    from kgreg.data.samples import Samples

log = logging.getLogger(__name__)

#: What ``[data] samples`` may say.
Missing = Literal["all", "complete"]


@dataclass(frozen=True)
class Presence:
    """Which samples have which modality.

    Attributes
    ----------
    present
        ``[n, n_modalities]`` 1 or 0.
    modalities
        Their names.
    modality_of
        ``[n_features]`` number of the modality of every feature.
    """

    present: NDArray[np.float32]
    modalities: tuple[str, ...]
    modality_of: NDArray[np.int64]

    @classmethod
    def of(cls, samples: Samples, modalities: Sequence[str]) -> Presence | None:
        """Return the presence over features whose modalities are given, numbered as they appear there.

        None if every sample has all modalities.
        """
        if samples.present is None:
            return None
        place = {name: m for m, name in enumerate(samples.modality_names)}
        names = list(dict.fromkeys(modalities))
        number = {name: m for m, name in enumerate(names)}
        columns = [place[name] for name in names]
        of_feature = np.array([number[name] for name in modalities], dtype=np.int64)
        return cls(samples.present[:, columns], tuple(names), of_feature)

    def rows(self, rows: NDArray[np.int64]) -> Presence:
        """Return some of the samples."""
        return replace(self, present=self.present[rows])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``[n, n_features]``: whether a sample has the modality of a feature."""
        return self.present[:, self.modality_of] > 0


def settle(
    present: NDArray[np.bool_], modalities: Sequence[str], samples: Missing | None, origin: str
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the samples to keep, and how many were left out for what reason.

    Parameters
    ----------
    present
        ``[n, n_modalities]``.
    samples
        "all": those with at least one modality; "complete": those with all; None: refuse samples that lack one.

    Raises
    ------
    DataError
        If a modality has no sample, no sample is left, or samples lack a modality and ``samples`` does not say what to
        do.
    """
    counts = present.sum(axis=0)
    empty = [name for name, count in zip(modalities, counts, strict=True) if not count]
    if empty:
        raise DataError(
            f"None of the {len(present)} samples of {origin} has the modality {empty[0]}.",
            "Check that samples bear the same names everywhere, or leave the modality out.",
        )
    complete, some_there = present.all(axis=1), present.any(axis=1)
    if complete.all():
        return np.arange(len(present)), {}
    lacking = {name: int(len(present) - count) for name, count in zip(modalities, counts, strict=True)}
    told = ", ".join(f"{name} in {count}" for name, count in lacking.items() if count)
    if samples is None:
        raise DataError(
            f"{int((~complete).sum())} of the {len(present)} samples of {origin} lack a modality: {told}.",
            'Set samples = "complete" in [data] to leave them out, or samples = "all" to keep them.',
        )
    kept = complete if samples == "complete" else some_there
    if not kept.any():
        raise DataError(
            f"No sample of {origin} has all {len(modalities)} modalities; missing are {told}.",
            'Check that samples bear the same names everywhere, or set samples = "all".',
        )
    reason = "lack a modality" if samples == "complete" else "have no modality"
    gone = int((~kept).sum())
    if gone:
        log.warning("%d of the %d samples of %s %s and were left out.", gone, len(present), origin, reason)
    return np.flatnonzero(kept), {reason: gone} if gone else {}
