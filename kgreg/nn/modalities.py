"""The modalities of a blueprint's inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint


def modalities_of(blueprint: Blueprint) -> dict[str, NDArray[np.int64]]:
    """Return modality -> positions of its features in ``blueprint.inputs``, in the order of first appearance."""
    code, names = pd.factorize(blueprint.inputs["modality"])
    return {str(name): np.flatnonzero(code == number) for number, name in enumerate(names)}
