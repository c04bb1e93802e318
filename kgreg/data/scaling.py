"""Scaling fitted on the training part only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaler:
    """Centre and scale features: ``(x - mean) / sd``.

    ``mean`` and ``sd`` are ``[n_features]``; a feature that does not vary in the training part has ``sd = 1``.
    """

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    @classmethod
    def fit(cls, x: NDArray[np.float32]) -> Scaler:
        """Fit on training rows ``[n, n_features]``."""
        mean = x.mean(axis=0, dtype=np.float64)
        sd = x.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), np.where(sd > 0, sd, 1.0).astype(np.float32))

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scaled rows, float32."""
        scaled: NDArray[np.float32] = ((x - self.mean) / self.sd).astype(np.float32)
        return scaled
