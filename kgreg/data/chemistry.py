"""Structures of drugs as bits."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError

#: Bonds around an atom that make a bit, and the number of bits (DrugCell, Kuenzi et al. 2020).
RADIUS = 2
BITS = 2048


def morgan_fingerprints(smiles: Sequence[str], places: Sequence[str] | None = None) -> NDArray[np.uint8]:
    """Return Morgan fingerprints ``[n, 2048]`` of 0 and 1 (Rogers & Hahn 2010; radius 2), by RDKit.

    Parameters
    ----------
    smiles
        Structures.
    places
        Where each stands (file and line), for messages.

    Raises
    ------
    DataError
        If RDKit is not installed, or a SMILES cannot be read; the message has its place.
    """
    if find_spec("rdkit") is None:
        raise DataError(
            "Fingerprints of drugs are computed by RDKit, which is not installed.", "pip install 'kgreg[chem]'"
        )
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    bits = np.zeros((len(smiles), BITS), dtype=np.uint8)
    with rdBase.BlockLogs():
        for i, text in enumerate(smiles):
            molecule = Chem.MolFromSmiles(text) if text.strip() else None
            if molecule is None:
                where = places[i] if places is not None else f"structure {i + 1}"
                raise DataError(f"{where}: '{text[:80]}' is not a SMILES.", "Correct the structure or remove its rows.")
            bits[i] = generator.GetFingerprintAsNumPy(molecule)
    return bits
