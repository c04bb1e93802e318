"""NeST-VNN (Park et al. 2024): mutations, deletions and amplifications of cell lines, one drug at a time.

Files, as in the ``sample`` folder of the project: ``ontology.txt``, ``gene2ind.txt``, ``cell2ind.txt``,
``cell2mutation.txt``, ``cell2cndeletion.txt``, ``cell2cnamplification.txt``, ``training_data.txt``, ``test_data.txt``.
"""

from __future__ import annotations

from pathlib import Path

from kgreg.data.published.imported import Imported
from kgreg.data.published.responses import import_responses
from kgreg.data.published.tables import find_files

_FILES = {
    "ontology": ["ontology.txt"],
    "genes": ["gene2ind.txt"],
    "cells": ["cell2ind.txt"],
    "mutation": ["cell2mutation.txt"],
    "deletion": ["cell2cndeletion.txt"],
    "amplification": ["cell2cnamplification.txt"],
    "train": ["training_data.txt"],
    "test": ["test_data.txt"],
    "drugs": ["drug2ind.txt"],
    "fingerprints": ["drug2fingerprint.txt"],
}
_LAYERS = {"mutation": "mutation", "deletion": "cndeletion", "amplification": "cnamplification"}


def import_nest(folder: Path) -> Imported:
    """Read a folder of NeST-VNN.

    Raises
    ------
    DataError, SourceError
        If a file is missing or not what it should be; the message has file and line.
    """
    files = find_files(folder, _FILES, optional=("drugs", "fingerprints"))
    return import_responses("NeST", files, _LAYERS, "nest")
