"""DrugCell (Kuenzi et al. 2020): mutations of cell lines and structures of drugs.

Files, as in the ``data`` folder of the project: ``drugcell_ont.txt``, ``gene2ind.txt``, ``cell2ind.txt``,
``cell2mutation.txt``, ``drug2ind.txt``, ``drug2fingerprint.txt``, ``drugcell_train.txt``, ``drugcell_val.txt``,
``drugcell_test.txt``; without the fingerprints they are computed, and there may be no validation file.
"""

from __future__ import annotations

from pathlib import Path

from kgreg.data.published.imported import Imported
from kgreg.data.published.responses import import_responses
from kgreg.data.published.tables import find_files

_FILES = {
    "ontology": ["drugcell_ont.txt", "ontology.txt"],
    "genes": ["gene2ind.txt"],
    "cells": ["cell2ind.txt"],
    "mutation": ["cell2mutation.txt"],
    "train": ["drugcell_train.txt", "training_data.txt"],
    "val": ["drugcell_val.txt"],
    "test": ["drugcell_test.txt", "test_data.txt"],
    "drugs": ["drug2ind.txt"],
    "fingerprints": ["drug2fingerprint.txt"],
}


def import_drugcell(folder: Path) -> Imported:
    """Read a folder of DrugCell.

    Raises
    ------
    DataError, SourceError
        If a file is missing or not what it should be; the message has file and line.
    """
    files = find_files(folder, _FILES, optional=("val", "drugs", "fingerprints"))
    if "fingerprints" in files and "drugs" not in files:
        find_files(folder, {"drugs": _FILES["drugs"]})  # without numbers the fingerprints belong to no drug
    return import_responses("DrugCell", files, {"mutation": "mutation"}, "drugcell")
