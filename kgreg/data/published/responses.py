"""Drug responses of cell lines: what the importers of DrugCell and NeST share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from kgreg.data.chemistry import morgan_fingerprints
from kgreg.data.published.imported import Imported, group_by
from kgreg.data.published.ontology import compile_ontology, read_ontology
from kgreg.data.published.tables import cut_off, read_index, read_matrix, refuse_unknown
from kgreg.errors import DataError
from kgreg.sources.files import read_lines

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ("cell line", "SMILES", "AUC", "dataset")


@dataclass
class Responses:
    """Rows of the label files, by number: ``cell`` and ``drug`` index the names, ``row`` is file and line."""

    cell: list[int] = field(default_factory=list)
    drug: list[int] = field(default_factory=list)
    auc: list[float] = field(default_factory=list)
    dataset: list[str] = field(default_factory=list)
    part: list[str] = field(default_factory=list)
    row: list[str] = field(default_factory=list)
    #: Where a drug was first named.
    first: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def import_responses(
    name: str,
    files: Mapping[str, Path],
    layers: Mapping[str, str],
    recipe: str,
) -> Imported:
    """Read a project on drug responses.

    Parameters
    ----------
    name
        Of the project.
    files
        Role -> path: ``ontology, genes, cells, train, test``, one for each role in ``layers``; where they are there,
        ``val``, ``drugs`` and ``fingerprints``.
    layers
        Role of a matrix -> name of the layer.
    recipe
        Name of the recipe of the published network.

    Raises
    ------
    DataError, SourceError
        If a file is not what it should be; the message has file and line.
    """
    from anndata import AnnData

    names = list(layers.values())
    genes, cells = read_index(files["genes"]), read_index(files["cells"])
    notes = [note for role, file in files.items() if role not in (*layers, "fingerprints") for note in cut_off(file)]
    blueprint, said = compile_ontology(read_ontology(files["ontology"]), genes, files["genes"].name, names, name)
    notes += said
    drugs = read_index(files["drugs"]) if "drugs" in files else []
    fixed = bool(drugs)
    rows = Responses()
    for part in ("train", "val", "test"):
        if part in files:
            _read_responses(files[part], part, cells, drugs, fixed, rows)
    cell = np.asarray(rows.cell)
    adata: AnnData = AnnData(obs=_obs(rows, cells, drugs), var=pd.DataFrame(index=pd.Index(genes, dtype=str)))
    for role, layer in layers.items():
        matrix, said = read_matrix(files[role], len(cells), files["cells"].name, genes)
        notes += said
        adata.layers[layer] = matrix[cell]
    blocks = []
    if len(drugs) > 1:
        fingerprints, said = _fingerprints(files, drugs, rows)
        notes += said
        adata.obsm["fingerprint"] = fingerprints[np.asarray(rows.drug)]
        blocks = ["fingerprint"]
    notes += rows.notes + _remarks(adata.obs)
    group, said = group_by(adata.obs, "cell_line")
    notes += said
    data = {
        "file": "data.h5ad",
        "layers" if len(layers) > 1 else "layer": list(layers.values())
        if len(layers) > 1
        else next(iter(layers.values())),
        "label": "AUC",
        "task": "regression",
        **group,
        "split": "split",
        **({"blocks": blocks} if blocks or recipe == "drugcell" else {}),
    }
    flat = _constant(adata, list(blueprint.genes["label"]))
    if flat:
        notes.append(f"{flat:,} genes have one value in all samples; they are left out of the network when it is run")
        data["constant_genes"] = "drop"
    experiment = {
        "title": f"{name}: response of cell lines to {'a drug' if len(drugs) == 1 else f'{len(drugs):,} drugs'}",
        "recipe": recipe,
        "data": data,
        "knowledge": {"guide": "blueprint", "blueprint": "blueprint"},
        # With a single drug there is nothing to join.
        **({"network": {"blocks": {}, "readout": "head"}} if recipe == "drugcell" and not blocks else {}),
        "knockouts": {"automatic": 0},
    }
    return Imported(blueprint, adata, experiment, notes)


def _read_responses(
    file: Path, part: str, cells: Sequence[str], drugs: list[str], fixed: bool, rows: Responses
) -> None:
    """Append the rows of a label file; a drug that is not known yet is added, unless the drugs are ``fixed``."""
    place = {name: i for i, name in enumerate(cells)}
    place_of_drug = {name: i for i, name in enumerate(drugs)}
    strangers: list[tuple[str, int]] = []
    foreign: list[tuple[str, int]] = []
    width = 0
    for line, text in read_lines(file):
        fields = [value.strip() for value in text.split("\t")]
        where = f"{file}, line {line}"
        if len(fields) not in (3, 4) or (width and len(fields) != width):
            raise DataError(
                f"{where}: expected {width or '3 or 4'} columns ({', '.join(COLUMNS)}), found {len(fields)}.",
                "Columns are separated by tabs, and every line has as many as the first.",
            )
        if not all(fields):
            raise DataError(f"{where}: the column {COLUMNS[fields.index('')]} is empty.", "Fill it in.")
        header = not width and _number(fields[2]) is None and fields[0] not in place
        width = len(fields)
        if header:
            rows.notes.append(f"{file.name}: the first line is taken for a header ({', '.join(fields)})")
            continue
        auc = _number(fields[2])
        if auc is None:
            raise DataError(
                f"{where}: the AUC '{fields[2][:40]}' is not a finite number.", "Correct or remove the line."
            )
        if fields[0] not in place:
            strangers.append((fields[0], line))
            continue
        if fields[1] not in place_of_drug:
            if fixed:
                foreign.append((fields[1], line))
                continue
            place_of_drug[fields[1]] = len(drugs)
            drugs.append(fields[1])
        rows.cell.append(place[fields[0]])
        rows.drug.append(place_of_drug[fields[1]])
        rows.auc.append(auc)
        rows.dataset.append(fields[3] if width == 4 else "")
        rows.part.append(part)
        rows.row.append(f"{file.name}:{line}")
        rows.first.setdefault(place_of_drug[fields[1]], where)
    refuse_unknown(file, strangers, "cell lines", "cell2ind.txt")
    refuse_unknown(file, foreign, "drugs", "drug2ind.txt")
    if part not in rows.part:
        raise DataError(f"{file} holds no measurement.", "Check that this is the right file, and that it is whole.")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _obs(rows: Responses, cells: Sequence[str], drugs: Sequence[str]) -> pd.DataFrame:
    tissue = [cell.partition("_")[2] or "unknown" for cell in cells]
    part = pd.Series(rows.part)
    obs = pd.DataFrame(
        {
            "cell_line": pd.Categorical.from_codes(rows.cell, categories=pd.Index(cells)).remove_unused_categories(),
            "drug": pd.Categorical.from_codes(rows.drug, categories=pd.Index(drugs)).remove_unused_categories(),
            "AUC": rows.auc,
            "dataset": pd.Categorical(rows.dataset),
            "tissue": pd.Categorical([tissue[i] for i in rows.cell]),
            "split": pd.Categorical(part.replace("val", "train")),
            "part": pd.Categorical(part),
        }
    )
    obs.index = pd.Index(rows.row, dtype=str)
    # What the files do not say is not a column.
    idle = [
        column for column, silent in (("dataset", not any(rows.dataset)), ("part", "val" not in rows.part)) if silent
    ]
    return obs.drop(columns=idle)


def _fingerprints(
    files: Mapping[str, Path], drugs: Sequence[str], rows: Responses
) -> tuple[sparse.csr_matrix, list[str]]:
    """Return one row a drug, from the file or computed, and notes."""
    if "fingerprints" in files:
        return read_matrix(files["fingerprints"], len(drugs), "drug2ind.txt")
    places = [rows.first.get(i, f"{files.get('drugs', '')}, number {i}") for i in range(len(drugs))]
    computed = morgan_fingerprints(drugs, places)
    return sparse.csr_matrix(computed), [f"{len(drugs):,} Morgan fingerprints (radius 2, 2,048 bits) were computed"]


def _remarks(obs: pd.DataFrame) -> list[str]:
    notes = []
    same = [column for column in ("cell_line", "drug", "dataset") if column in obs]
    repeated = obs.duplicated([*same, "part"] if "part" in obs else [*same, "split"])
    if repeated.any():
        notes.append(
            f"{int(repeated.sum()):,} measurements repeat the {', '.join(same).replace('_', ' ')} of another of their "
            f"file, the first in {obs.index[repeated.to_numpy()][0]}"
        )
    if "part" in obs:
        count = int((obs["part"] == "val").sum())
        notes.append(f"{count:,} validation samples train; kgreg sets its own aside to stop by (obs column 'part')")
    return notes


def _constant(adata: AnnData, genes: Sequence[str]) -> int:
    """Return how many of the genes have one value in all samples of every layer."""
    place = adata.var_names.get_indexer(list(genes))
    varies = np.zeros(len(place), dtype=bool)
    for matrix in adata.layers.values():
        varies |= (matrix.max(axis=0).toarray() != matrix.min(axis=0).toarray())[0, place]
    return int((~varies).sum())
