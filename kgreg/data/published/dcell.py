"""DCell (Ma et al. 2018): growth of yeast strains from which genes were deleted.

Files, as in the ``training`` folder of the project: one ``*topology*.txt``, one ``*training*.txt``, one ``*test*.txt``;
lines of the latter are ``k gene1 ... genek phenotype``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from kgreg.data.published.imported import Imported, group_by
from kgreg.data.published.ontology import compile_ontology, read_topology
from kgreg.data.published.tables import cut_off, find_files, refuse_unknown
from kgreg.errors import DataError
from kgreg.sources.files import read_lines

_FILES = {"topology": ["*topology*.txt"], "train": ["*training_data*.txt", "*training*.txt"], "test": ["*test*.txt"]}


@dataclass
class _Strains:
    """Rows of the label files: the genes of each, its phenotype, its part, and its file and line."""

    genes: list[list[int]] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    phenotype: list[float] = field(default_factory=list)
    part: list[str] = field(default_factory=list)
    row: list[str] = field(default_factory=list)


def import_dcell(folder: Path) -> Imported:
    """Read a folder of DCell.

    Raises
    ------
    DataError, SourceError
        If a file is missing or not what it should be; the message has file and line.
    """
    from anndata import AnnData

    files = find_files(folder, _FILES)
    notes = [note for file in files.values() for note in cut_off(file)]
    blueprint, said = compile_ontology(read_topology(files["topology"]), None, "", ["knockout"], "DCell")
    notes += said
    genes = blueprint.genes["id"].tolist()
    strains = _Strains()
    for part in ("train", "test"):
        _read_strains(files[part], part, genes, files["topology"].name, strains)
    obs = pd.DataFrame(
        {"strain": strains.name, "phenotype": strains.phenotype, "split": pd.Categorical(strains.part)},
        index=pd.Index(strains.row, dtype=str),
    )
    starts = np.concatenate([[0], np.cumsum([len(own) for own in strains.genes])])
    columns = np.concatenate([np.asarray(own, dtype=np.int32) for own in strains.genes])
    matrix = sparse.csr_matrix((np.ones(len(columns), dtype=np.uint8), columns, starts), shape=(len(obs), len(genes)))
    idle = len(genes) - len(np.unique(columns))
    adata = AnnData(obs=obs, var=pd.DataFrame(index=pd.Index(genes, dtype=str)))
    adata.layers["knockout"] = matrix
    repeated = obs.duplicated(["strain", "split"]).to_numpy()
    if repeated.any():
        notes.append(f"{int(repeated.sum()):,} strains are given twice, the first again in {obs.index[repeated][0]}")
    group, said = group_by(obs, "strain")
    notes += said
    data = {
        "file": "data.h5ad",
        "layer": "knockout",
        "label": "phenotype",
        "task": "regression",
        **group,
        "split": "split",
    }
    if idle:
        notes.append(f"{idle:,} genes are deleted in no strain; they are left out of the network when it is run")
        data["constant_genes"] = "drop"
    experiment = {
        "title": f"DCell: growth of {len(obs):,} yeast strains",
        "recipe": "dcell",
        "data": data,
        "knowledge": {"guide": "blueprint", "blueprint": "blueprint"},
        "knockouts": {"automatic": 0},
    }
    return Imported(blueprint, adata, experiment, notes)


def _read_strains(file: Path, part: str, genes: list[str], genes_named_by: str, strains: _Strains) -> None:
    place = {name: i for i, name in enumerate(genes)}
    unknown: list[tuple[str, int]] = []
    for line, text in read_lines(file):
        where = f"{file}, line {line}"
        fields = text.split()
        if not fields or not fields[0].isdecimal() or len(fields) != int(fields[0]) + 2 or len(fields) < 3:
            raise DataError(
                f"{where}: expected 'k gene1 ... genek phenotype', found {len(fields)} fields.",
                "The first field counts the genes that were deleted.",
            )
        names = sorted(fields[1:-1])
        if len(set(names)) < len(names):
            raise DataError(f"{where}: a gene is deleted twice ({' '.join(names)}).", "Correct the line.")
        try:
            phenotype = float(fields[-1])
        except ValueError:
            phenotype = math.nan
        if not math.isfinite(phenotype):
            raise DataError(f"{where}: the phenotype '{fields[-1][:40]}' is not a finite number.", "Correct the line.")
        strangers = [(name, line) for name in names if name not in place]
        unknown += strangers
        if strangers:
            continue
        strains.genes.append(sorted(place[name] for name in names))
        strains.name.append("+".join(names))
        strains.phenotype.append(phenotype)
        strains.part.append(part)
        strains.row.append(f"{file.name}:{line}")
    refuse_unknown(file, unknown, "genes", genes_named_by)
