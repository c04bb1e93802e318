"""Motifs are chosen by queries, files, families and expression; what does not fit is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import Blueprint
from kgreg.data import Samples
from kgreg.errors import ExperimentError, QueryError
from kgreg.experiment import make_experiment
from kgreg.progress import no_progress
from kgreg.runs.knowledge import make_blueprint


def samples(length: int = 30, sequences: bool = True) -> Samples:
    """Return two sequences, or as many samples without any."""
    return Samples(
        x=np.zeros((2, 0), dtype=np.float32),
        features=[],
        names=["a", "b"],
        target=np.array([0, 1]),
        classes=["no", "yes"],
        groups=None,
        task="classification",
        label="class",
        layer="sequence",
        origin="here",
        sequences=np.zeros((2, length), dtype=np.uint8) if sequences else None,
    )


def compiled(store: Path, own: Samples | None = None, **knowledge: Any) -> Blueprint:
    record = {
        "data": {"sequences": {"files": {"no": "no.fa", "yes": "yes.fa"}}},
        "knowledge": {"guide": "motifs", "store": str(store), **knowledge},
        "network": {"model": "motif"},
    }
    return make_blueprint(make_experiment(record), own or samples(), no_progress)[1]


def labels(blueprint: Blueprint, kind: str) -> set[str]:
    return set(blueprint.nodes.loc[blueprint.nodes["kind"] == kind, "label"])


def test_all_motifs_have_factors_of_the_graph(knowledge_store_path: Path) -> None:
    blueprint = compiled(knowledge_store_path)
    assert len(blueprint.motif_matrices()) + len(blueprint.dropped) == 1019
    assert set(blueprint.dropped["reason"]) <= {"wider than the sequences (30 letters)"}
    links = set(zip(blueprint.edges["source"], blueprint.edges["target"], strict=True))
    assert ("MA0139.2", "NCBIGene:10664") in links, "CTCF"
    assert {("MA0142.1", "NCBIGene:5460"), ("MA0142.1", "NCBIGene:6657")} <= links, "mouse Pou5f1::Sox2, by symbol"
    factors = blueprint.nodes[blueprint.nodes["kind"] == "tf"]
    assert factors["id"].str.startswith("NCBIGene:").mean() > 0.9


@pytest.mark.parametrize(
    ("knowledge", "factors"),
    [
        ({"motifs": "motifs_of_factors", "parameters": {"factors": ["CTCF"]}}, {"CTCF"}),
        (
            {"motifs": "motifs_of_families", "parameters": {"families": ["p53-related"]}},
            {"TP53", "TP63", "TP73"},
        ),
    ],
)
def test_a_query_chooses(knowledge_store_path: Path, knowledge: dict[str, Any], factors: set[str]) -> None:
    blueprint = compiled(knowledge_store_path, **knowledge)
    assert labels(blueprint, "tf") == factors
    assert blueprint.provenance["cypher"][0]["parameters"] == knowledge["parameters"]


def test_species_families_and_a_query_of_ones_own(knowledge_store_path: Path, tmp_path: Path) -> None:
    mouse = compiled(knowledge_store_path, motifs="motifs_of_species", parameters={"species": "Mus musculus"})
    assert 100 < len(mouse.motif_matrices()) < 300
    without = compiled(knowledge_store_path, without_families=["POU domain factors", "SOX-related factors"])
    assert not {"POU5F1", "SOX2"} & labels(without, "tf")
    assert "CTCF" in labels(without, "tf")
    own = tmp_path / "short.cypher"
    head = "// parameters: most\n// columns: motif\n"
    own.write_text(head + "MATCH (m:Motif) WHERE m.width <= $most RETURN m.id AS motif\n")
    short = compiled(knowledge_store_path, motifs=str(own), parameters={"most": 5})
    assert max(len(counts) for counts in short.motif_matrices().values()) <= 5


def test_only_factors_that_are_expressed(knowledge_store_path: Path, tmp_path: Path) -> None:
    cells = ad.AnnData(
        np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]], dtype=np.float32),
        var=pd.DataFrame(index=["POU5F1", "CTCF", "Sox2"]),
    )
    cells.write_h5ad(tmp_path / "cells.h5ad")
    kept = compiled(knowledge_store_path, expressed=str(tmp_path / "cells.h5ad"), expressed_in=0.5)
    assert labels(kept, "tf") == {"POU5F1", "SOX2"}
    assert "MA0142.1" in kept.motif_matrices(), "both parts of the dimer are there"
    strict = compiled(knowledge_store_path, expressed=str(tmp_path / "cells.h5ad"), expressed_in=1.0)
    assert labels(strict, "tf") == {"SOX2"}
    with pytest.raises(ExperimentError, match="No motif of 1 has a factor that is expressed"):
        compiled(
            knowledge_store_path,
            motifs="motifs_of_factors",
            parameters={"factors": ["TP63"]},
            expressed=str(tmp_path / "cells.h5ad"),
        )


def test_motifs_of_a_file_need_no_store(tmp_path: Path) -> None:
    file = tmp_path / "own.jaspar"
    file.write_text(">M1 First::Second\nA [ 9 0 ]\nC [ 0 9 ]\nG [ 0 0 ]\nT [ 1 1 ]\n")
    blueprint = compiled(tmp_path / "no store", motifs=str(file))
    assert labels(blueprint, "tf") == {"FIRST", "SECOND"}
    assert blueprint.motif_matrices()["M1"].tolist() == [[9, 0, 0, 1], [0, 9, 0, 1]]


def test_what_does_not_fit_is_refused(knowledge_store_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="Nonsense, which no selected motif belongs to"):
        compiled(knowledge_store_path, without_families=["Nonsense"])
    with pytest.raises(ExperimentError, match="'motifs_of_factors' found no motifs"):
        compiled(knowledge_store_path, motifs="motifs_of_factors", parameters={"factors": ["NOPE"]})
    with pytest.raises(ExperimentError, match="'gene_symbols', which is to return motifs, lacks the column motif"):
        compiled(knowledge_store_path, motifs="gene_symbols")
    with pytest.raises(QueryError, match="needs the parameters factors"):
        compiled(knowledge_store_path, motifs="motifs_of_factors")
    with pytest.raises(ExperimentError, match=r"\[data\] has no sequences"):
        compiled(knowledge_store_path, samples(sequences=False))
    with pytest.raises(ExperimentError, match='guide = "go" selects genes'):
        compiled(knowledge_store_path, guide="go")
    with pytest.raises(ExperimentError, match="'expressed' is for guide"):
        compiled(knowledge_store_path, guide="none", expressed="cells.h5ad")


def test_without_knowledge_there_is_nothing_to_permute() -> None:
    record: dict[str, Any] = {
        "data": {"sequences": {"files": {"no": "no.fa", "yes": "yes.fa"}}},
        "knowledge": {"guide": "none"},
        "network": {
            "model": "sequence",
            "layers": [{"kind": "conv", "filters": 2, "width": 3}, {"kind": "pool", "how": "max"}],
        },
    }
    assert make_experiment(record).nulls.rewired == 0
    with pytest.raises(ExperimentError, match="no knowledge that could be permuted"):
        make_experiment({**record, "nulls": {"rewired": 2}})
