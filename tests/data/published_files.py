"""Small projects in the published formats, written into a folder to be spoilt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GENES = ["TP53", "MYC", "CDK4", "RB1", "EGFR"]
CELLS = ["A1_LUNG", "B2_URINARY_TRACT", "C3", "D4_BREAST", "E5_LUNG"]
DRUGS = ["CCO", "c1ccccc1", "CC(=O)O"]
LINKS = [
    ("ROOT", "CYCLE", "default"),
    ("ROOT", "GROWTH", "default"),
    ("CYCLE", "CDK4", "gene"),
    ("CYCLE", "RB1", "gene"),
    ("GROWTH", "EGFR", "gene"),
    ("GROWTH", "MYC", "gene"),
    ("ROOT", "TP53", "gene"),
]


def write(folder: Path, name: str, rows: list[object], end: str = "\n") -> None:
    """Write one line a row, fields of a tuple with tabs between."""
    lines = ["\t".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + end, encoding="utf-8")


def bits(rows: int, columns: int, seed: int) -> np.ndarray:
    """Return zeros and ones, every column of which varies within the first two rows."""
    values = (np.random.default_rng(seed).random((rows, columns)) < 0.5).astype(int)
    values[1] = 1 - values[0]
    return values


def matrix(folder: Path, name: str, values: np.ndarray) -> None:
    write(folder, name, [",".join(map(str, row)) for row in values.tolist()])


def common(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "gene2ind.txt", list(enumerate(GENES)))
    write(folder, "cell2ind.txt", list(enumerate(CELLS)))
    matrix(folder, "cell2mutation.txt", bits(5, 5, 1))


def nest(folder: Path) -> Path:
    """Two data sets, one drug; three cell lines train and two test."""
    common(folder)
    write(folder, "ontology.txt", [*LINKS])
    matrix(folder, "cell2cndeletion.txt", bits(5, 5, 2))
    matrix(folder, "cell2cnamplification.txt", bits(5, 5, 3))
    rows = [(cell, "CCO", 0.5 + i / 10, "GDSC1") for i, cell in enumerate(CELLS)]
    rows += [(cell, "CCO", 0.4 + i / 10, "GDSC2") for i, cell in enumerate(CELLS[:2])]
    write(folder, "training_data.txt", [row for row in rows if row[0] in CELLS[:3]])
    write(folder, "test_data.txt", [row for row in rows if row[0] in CELLS[3:]])
    return folder


def drugcell(folder: Path) -> Path:
    """Three drugs, every cell line in every part."""
    common(folder)
    write(folder, "drugcell_ont.txt", [*LINKS])
    write(folder, "drug2ind.txt", list(enumerate(DRUGS)))
    matrix(folder, "drug2fingerprint.txt", bits(3, 16, 4))
    for part, drug in zip(("train", "val", "test"), DRUGS, strict=True):
        write(folder, f"drugcell_{part}.txt", [(cell, drug, 0.1 * i) for i, cell in enumerate(CELLS)])
    return folder


def dcell(folder: Path) -> Path:
    """Five genes in three terms; single and double mutants."""
    folder.mkdir(parents=True, exist_ok=True)
    topology = ["ROOT: GO:1 5", "GENES: YA", "TERMS: GO:2 GO:3 ", "ROOT: GO:2 2", "GENES: YB YC", "TERMS: "]
    write(folder, "GO_1_topology.txt", [*topology, "ROOT: GO:3 3", "GENES: YC YD YE", "TERMS:"])
    train = ["2 YB YA 0.5", "1 YC -0.25", "2 YD YE 1e-2", "3 YA YC YE 0.1"]
    write(folder, "GO_1_training_data_2016_0.txt", train)
    write(folder, "GO_1_testing_data_2016_0.txt", ["2 YA YC 0.2", "1 YB 0.3"])
    return folder
