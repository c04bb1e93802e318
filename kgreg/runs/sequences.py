"""What decoding sequence networks leaves in the folder of a run: ``sequences/``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from kgreg.decode import Explanation
from kgreg.decode.sequence.summary import SequenceSummary, motif_labels, sequence_summary
from kgreg.errors import MissingPackageError, SourceError
from kgreg.fit import CrossValidation
from kgreg.progress import Progress, no_progress
from kgreg.runs.folder import read_json, write_json
from kgreg.runs.records import read_table
from kgreg.sources import jaspar

_FOLDER = "sequences"
_TABLES = ("filters", "patterns", "examples", "letters")
_MISSING = "missing.json"


def decode_sequences(
    result: CrossValidation, explanation: Explanation, folder: Path, progress: Progress = no_progress
) -> None:
    """Decode the networks of a run as functions of sequences, and write the tables; nothing where they read none.

    Without the optional packages the reason is written instead: the rest of the run does not need them.
    """
    path = folder / _FOLDER
    shutil.rmtree(path, ignore_errors=True)
    if result.samples.sequences is None:
        return
    motifs, labels = _database(result)
    try:
        found = sequence_summary(result, explanation.ranking, motifs, labels, progress=progress)
    except MissingPackageError as error:
        path.mkdir()
        write_json(path / _MISSING, {"reason": str(error)})
        return
    if found is None:
        return
    path.mkdir()
    for name in _TABLES:
        getattr(found, name).to_parquet(path / f"{name}.parquet", index=False)


def load_sequences(folder: Path) -> SequenceSummary | None:
    """Read what :func:`decode_sequences` wrote; None if there is nothing."""
    path = folder / _FOLDER
    if not (path / "letters.parquet").is_file():
        return None
    return SequenceSummary(**{name: read_table(path / f"{name}.parquet") for name in _TABLES})


def missing_packages(folder: Path) -> str:
    """Return why sequences were not decoded, or an empty text."""
    path = folder / _FOLDER / _MISSING
    return str(read_json(path)["reason"]) if path.is_file() else ""


def _database(result: CrossValidation) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the motifs of the blueprint, or, of a network without knowledge, JASPAR's, with their names."""
    motifs = result.blueprint.motif_matrices()
    if motifs:
        return motifs, motif_labels(result.blueprint)
    try:
        table: pd.DataFrame = jaspar.read().nodes["Motif"].to_pandas()
    except SourceError:
        return {}, {}
    matrices = {
        str(m): np.asarray(pfm, dtype=float).reshape(-1, 4) for m, pfm in zip(table["id"], table["pfm"], strict=True)
    }
    return matrices, dict(zip(table["id"], table["name"], strict=True))
