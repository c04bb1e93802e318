"""Blueprints of motifs: what holds what, what is left out, and what permuting their columns keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import Blueprint, load_blueprint, save_blueprint
from kgreg.blueprint.motifs import SEQUENCE, compile_motifs, sequence_blueprint
from kgreg.errors import BlueprintError

MOTIFS = pd.DataFrame(
    [("M1", "Pou5f1::Sox2", "POU; SOX"), ("M2", "CTCF", "zinc"), ("M3", "ctcf", "zinc"), ("M4", "ODD", None)],
    columns=["motif", "name", "family"],
)
MATRICES = {
    "M1": [[9, 0, 1, 0], [0, 8, 2, 0], [1, 1, 1, 7]],
    "M2": [5, 0, 0, 5, 0, 9, 1, 0],
    "M3": [[1, 2, 3, 4], [4, 3, 2, 1]],
    "M4": [[1, 0, 0, 0], [0, 0, 0, 0]],
}
FACTORS = pd.DataFrame([("M2", "G1", "CTCF")], columns=["motif", "gene", "symbol"])


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return compile_motifs(MOTIFS, MATRICES, FACTORS)


def test_factors_hold_motifs_and_families_hold_factors(blueprint: Blueprint) -> None:
    kinds = blueprint.nodes.groupby("kind", sort=False)["id"].agg(list).to_dict()
    assert kinds["sequence"] == [SEQUENCE]
    assert kinds["motif"] == ["M1", "M2", "M3"]
    assert set(kinds["tf"]) == {"G1", "tf:POU5F1", "tf:SOX2", "tf:CTCF"}
    assert kinds["family"] == ["family:POU", "family:SOX", "family:zinc"]
    links = set(zip(blueprint.edges["source"], blueprint.edges["target"], strict=True))
    assert {
        (SEQUENCE, "M1"),
        ("M1", "tf:SOX2"),
        ("tf:SOX2", "family:SOX"),
        ("M2", "G1"),
        ("G1", "family:zinc"),
    } <= links
    assert blueprint.terms["kind"].tolist() == ["motif"] * 3 + ["tf"] * 4 + ["family"] * 3
    assert blueprint.summary()["motifs"] == 3


def test_a_position_without_counts_is_told(blueprint: Blueprint) -> None:
    assert blueprint.dropped[["id", "reason"]].values.tolist() == [["M4", "a position without counts"]]


def test_motifs_wider_than_the_sequences_are_left_out() -> None:
    cut = compile_motifs(MOTIFS, MATRICES, FACTORS, longest=2)
    assert list(cut.motif_matrices()) == ["M2", "M3"]
    with pytest.raises(BlueprintError, match=r"No motif is left of 4.*wider than the sequences \(1 letters\)"):
        compile_motifs(MOTIFS, MATRICES, FACTORS, longest=1)


def test_matrices_come_back(blueprint: Blueprint) -> None:
    found = blueprint.motif_matrices()
    assert list(found) == ["M1", "M2", "M3"]
    for motif, counts in found.items():
        assert np.array_equal(counts, np.reshape(MATRICES[motif], (-1, 4)))


def test_permuted_columns_keep_composition_and_names(blueprint: Blueprint) -> None:
    null = blueprint.rewire(3)
    assert null.nodes.equals(blueprint.nodes)
    assert null.edges.equals(blueprint.edges)
    assert null.content_hash() != blueprint.content_hash()
    for motif, counts in null.motif_matrices().items():
        own = blueprint.motif_matrices()[motif]
        assert not np.array_equal(counts, own)
        assert sorted(map(tuple, counts)) == sorted(map(tuple, own))
    assert blueprint.rewire(3).content_hash() == null.content_hash()


def test_a_motif_of_equal_positions_stays_as_it_is() -> None:
    flat = compile_motifs(MOTIFS.iloc[:1], {"M1": [[1, 1, 1, 1]] * 3})
    assert flat.rewire(0).motifs.equals(flat.motifs)


def test_it_is_saved_whole(blueprint: Blueprint, tmp_path: Path) -> None:
    save_blueprint(blueprint, tmp_path)
    again = load_blueprint(tmp_path)
    assert again.content_hash() == blueprint.content_hash()
    assert again.motifs.equals(blueprint.motifs)
    changed = blueprint.motifs.assign(A=blueprint.motifs["A"] + 1)
    changed.to_parquet(tmp_path / "motifs.parquet", index=False)
    with pytest.raises(BlueprintError, match="not those that were saved"):
        load_blueprint(tmp_path)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({"M1": [1, 2, 3]}, "M1 does not have 4 numbers a position"),
        ({}, "M1 has no matrix"),
        ({"M1": [[1, 1, 1, 1], [-1, 2, 0, 0]]}, "No motif is left of 1 .counts that are negative"),
    ],
)
def test_bad_matrices_are_refused_by_name(matrices: dict[str, list[float]], message: str) -> None:
    with pytest.raises(BlueprintError, match=message):
        compile_motifs(MOTIFS.iloc[:1], matrices)


def test_a_motif_twice_is_refused() -> None:
    with pytest.raises(BlueprintError, match="M2 comes twice"):
        compile_motifs(pd.concat([MOTIFS, MOTIFS.iloc[1:2]]), MATRICES)


def test_tables_out_of_order_are_refused(blueprint: Blueprint) -> None:
    parts = {name: getattr(blueprint, name) for name in ("nodes", "edges", "inputs", "outputs")}
    with pytest.raises(BlueprintError, match="not 0, 1, 2"):
        Blueprint(**parts, motifs=blueprint.motifs.iloc[::-1])
    with pytest.raises(BlueprintError, match="order of their nodes"):
        Blueprint(**parts, motifs=pd.concat([blueprint.motifs.iloc[3:], blueprint.motifs.iloc[:3]]))


def test_without_knowledge_there_is_the_sequence_alone() -> None:
    alone = sequence_blueprint()
    assert alone.nodes["id"].tolist() == [SEQUENCE]
    assert alone.terms.empty
