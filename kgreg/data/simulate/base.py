"""What a simulator returns: samples, the knowledge that goes with them, and what was planted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kgreg.disk import replace_text
from kgreg.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Simulation:
    """Samples with a planted truth.

    Attributes
    ----------
    adata
        Samples x genes; None of samples that are sequences.
    tables
        Name of a file without its ending -> a table of knowledge (interactions, edges, annotations, ...).
    truth
        Columns ``node`` and ``planted`` (bool), and whatever else is known of the nodes.
    about
        Parameters and seed (JSON values).
    files
        Name of a text file -> what stands in it, such as FASTA.
    """

    adata: AnnData | None
    tables: Mapping[str, pd.DataFrame]
    truth: pd.DataFrame
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write samples, a CSV file a table, ``truth.csv`` and ``about.json`` into a new folder.

        Samples are ``data.h5ad``, or text files of their own.

        Raises
        ------
        DataError
            If the folder holds something already, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise DataError(f"{folder} is not empty; nothing in it was touched.", "Choose a new folder.")
            for name, table in self.tables.items():
                table.to_csv(folder / f"{name}.csv", index=False)
            self.truth.to_csv(folder / "truth.csv", index=False)
            replace_text(folder / "about.json", json.dumps(dict(self.about), indent=1) + "\n")
            for name, text in self.files.items():
                replace_text(folder / name, text)
            if self.adata is not None:
                self.adata.write_h5ad(folder / "data.h5ad")
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from error
