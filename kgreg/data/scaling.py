"""Scaling fitted on the training part only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kgreg.data.presence import Presence
from kgreg.errors import DataError

Scale = Literal["auto", "standard", "max", "none"]


@dataclass(frozen=True)
class Scaler:
    """Centre and scale features: ``(x - mean) / sd``.

    ``mean`` and ``sd`` are ``[n_features]``; a feature that does not vary in the training part has ``sd = 1``, one that
    is left as it is ``mean = 0`` and ``sd = 1``.
    """

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    @classmethod
    def fit(cls, x: NDArray[np.float32], scale: Scale = "auto", presence: Presence | None = None) -> Scaler:
        """Fit on training rows ``[n, n_features]``.

        Parameters
        ----------
        scale
            "standard": mean 0 and standard deviation 1. "max": divided by the largest size in the training part, after
            the smallest value is taken away where that is above 0 (Fortelny & Bock 2020). "none": every feature stays
            as it is. "auto": those that hold nothing but 0 and 1 (a mutation, say) stay as they are, so that 0 keeps
            meaning "not altered" and costs nothing; the others are standardised.
        presence
            Which rows have the modality of a feature; it is fitted on those alone. Default: all have all.

        Raises
        ------
        DataError
            If no row has one of the modalities.
        """
        if presence is not None:
            return cls._fit_each(x, scale, presence)
        if scale == "none":
            return cls(np.zeros(x.shape[1], dtype=np.float32), np.ones(x.shape[1], dtype=np.float32))
        if scale == "max":
            least = np.maximum(x.min(axis=0), 0.0)
            most = np.abs(x - least).max(axis=0)
            return cls(least.astype(np.float32), np.where(most > 0, most, 1.0).astype(np.float32))
        mean = x.mean(axis=0, dtype=np.float64)
        sd = x.std(axis=0, dtype=np.float64)
        if scale == "auto":
            binary = ((x == 0) | (x == 1)).all(axis=0)
            mean, sd = np.where(binary, 0.0, mean), np.where(binary, 1.0, sd)
        return cls(mean.astype(np.float32), np.where(sd > 0, sd, 1.0).astype(np.float32))

    @classmethod
    def _fit_each(cls, x: NDArray[np.float32], scale: Scale, presence: Presence) -> Scaler:
        mean, sd = np.zeros(x.shape[1], dtype=np.float32), np.ones(x.shape[1], dtype=np.float32)
        for m, name in enumerate(presence.modalities):
            columns = np.flatnonzero(presence.modality_of == m)
            rows = np.flatnonzero(presence.present[:, m] > 0)
            if not len(rows):
                raise DataError(
                    f"None of the {len(x)} training samples has the modality {name}.",
                    "Ask for fewer folds, another seed, or leave the modality out.",
                )
            own = cls.fit(x[np.ix_(rows, columns)], scale)
            mean[columns], sd[columns] = own.mean, own.sd
        return cls(mean, sd)

    def transform(self, x: NDArray[np.float32], presence: Presence | None = None) -> NDArray[np.float32]:
        """Return scaled rows, float32; 0 where a row lacks the modality of a feature."""
        scaled: NDArray[np.float32] = ((x - self.mean) / self.sd).astype(np.float32)
        if presence is not None:
            scaled[~presence.mask] = 0
        return scaled
