"""Which genes are expressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgreg.data.anndata_files import open_h5ad
from kgreg.data.layers import read_layers


def read_expressed(path: Path, share: float, layer: str = "X") -> list[str]:
    """Return the features of an ``.h5ad`` file that are above 0 in at least this share of its samples.

    Raises
    ------
    DataError
        If the file or the layer cannot be read.
    """
    adata, origin, _ = open_h5ad(path)
    read = read_layers(adata, layer, origin)
    above = np.asarray((read.x > 0).sum(axis=0)).ravel() / max(adata.n_obs, 1)
    return [feature for feature, found in zip(read.features, above, strict=True) if found >= share]
