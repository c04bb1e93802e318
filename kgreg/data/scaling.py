"""Scaling fitted on the training part only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["auto", "standard", "none"]


@dataclass(frozen=True)
class Scaler:
    """Centre and scale features: ``(x - mean) / sd``.

    ``mean`` and ``sd`` are ``[n_features]``; a feature that does not vary in the training part has ``sd = 1``, one that
    is left as it is ``mean = 0`` and ``sd = 1``.
    """

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    @classmethod
    def fit(cls, x: NDArray[np.float32], scale: Scale = "auto") -> Scaler:
        """Fit on training rows ``[n, n_features]``.

        Parameters
        ----------
        scale
            "standard": mean 0 and standard deviation 1. "none": every feature stays as it is. "auto": those that hold
            nothing but 0 and 1 (a mutation, say) stay as they are, so that 0 keeps meaning "not altered" and costs
            nothing; the others are standardised.
        """
        if scale == "none":
            return cls(np.zeros(x.shape[1], dtype=np.float32), np.ones(x.shape[1], dtype=np.float32))
        mean = x.mean(axis=0, dtype=np.float64)
        sd = x.std(axis=0, dtype=np.float64)
        if scale == "auto":
            binary = ((x == 0) | (x == 1)).all(axis=0)
            mean, sd = np.where(binary, 0.0, mean), np.where(binary, 1.0, sd)
        return cls(mean.astype(np.float32), np.where(sd > 0, sd, 1.0).astype(np.float32))

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scaled rows, float32."""
        scaled: NDArray[np.float32] = ((x - self.mean) / self.sd).astype(np.float32)
        return scaled
