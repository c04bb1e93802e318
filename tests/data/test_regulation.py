"""Motifs in promoters become a regulatory graph, and networks of other families read it."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import Blueprint
from kgreg.blueprint.motifs import compile_motifs
from kgreg.data.regulation import factors_of, pool_factors, read_scan, targets_from_scan, targets_from_scores
from kgreg.errors import DataError, KgregError
from kgreg.runs import run_experiment

SCAN = """motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched_sequence
M1\tFOS\tp1\t1\t7\t+\t12.0\t1e-6\t0.1\tTGACTCA
M1\tFOS\tp2\t1\t7\t+\t9.0\t1e-5\t0.1\tTGACTCA
M2\tJUN\tp1\t5\t12\t-\t8.0\t5e-5\t0.1\tTGACTCA
M2\tJUN\tp4\t5\t12\t-\t3.0\t2e-3\t0.9\tTGACTCA
M3\tGATA1\tp3\t5\t12\t-\t8.0\t3e-5\t0.1\tGATA
M3\tGATA1\telsewhere\t5\t12\t-\t8.0\t3e-9\t0.1\tGATA
"""
PROMOTERS = {"p1": "A", "p2": "B", "p3": "A", "p4": "D"}
FACTORS = pd.DataFrame({"motif": ["M1", "M1", "M2", "M3"], "tf": ["FOS", "JUN", "JUN", "GATA1"]})


def scan_file(folder: Path, text: str = SCAN) -> Path:
    path = folder / "fimo.tsv"
    path.write_text(text)
    return path


def test_hits_become_targets(tmp_path: Path) -> None:
    hits = read_scan(scan_file(tmp_path))
    found = targets_from_scan(hits, PROMOTERS, FACTORS)
    assert found[["tf", "target", "hits"]].to_numpy().tolist() == [
        ["FOS", "A", 1],
        ["FOS", "B", 1],
        ["GATA1", "A", 1],
        ["JUN", "A", 2],
        ["JUN", "B", 1],
    ]
    assert found["weight"].round(3).tolist() == [6.0, 5.0, 4.523, 6.0, 5.0]
    assert set(found["sign"]) == {0}
    twice = targets_from_scan(hits, PROMOTERS, FACTORS, min_hits=2)
    assert twice[["tf", "target"]].to_numpy().tolist() == [["JUN", "A"]]
    plain = targets_from_scan(hits, max_p=1e-8)
    assert plain[["tf", "target"]].to_numpy().tolist() == [["M3", "elsewhere"]]


def test_scores_become_targets() -> None:
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(size=(40, 3)), index=[f"g{i}" for i in range(40)], columns=["M1", "M2", "M3"])
    pooled = pool_factors(scores, FACTORS)
    assert list(pooled.columns) == ["FOS", "GATA1", "JUN"]
    np.testing.assert_array_equal(pooled["JUN"], scores[["M1", "M2"]].max(axis=1))
    np.testing.assert_array_equal(pooled["FOS"], scores["M1"])
    found = targets_from_scores(pooled.assign(FLAT=1.0), share=0.1)
    assert dict(found.groupby("tf").size()) == {"FOS": 4, "GATA1": 4, "JUN": 4}
    for factor, rows in found.groupby("tf"):
        assert set(rows["target"]) == set(pooled[factor].nlargest(4).index)
        z = (pooled[factor] - pooled[factor].mean()) / pooled[factor].std(ddof=0)
        np.testing.assert_allclose(rows["weight"], z[rows["target"]])


def test_factors_are_those_of_a_blueprint() -> None:
    motifs = pd.DataFrame({"motif": ["M1", "M2"], "name": ["FOS", "x"], "family": ["bZIP", ""]})
    matrices = {name: np.ones((5, 4)) for name in ("M1", "M2")}
    factors = pd.DataFrame({"motif": ["M1", "M1"], "gene": ["NCBIGene:1", "NCBIGene:2"], "symbol": ["FOS", "JUN"]})
    blueprint: Blueprint = compile_motifs(motifs, matrices, factors)
    found = {(row.motif, row.tf) for row in factors_of(blueprint).itertuples()}
    assert found == {("M1", "FOS"), ("M1", "JUN"), ("M2", "X")}


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fimo.tsv, line 2: '12.0' with p 'low' is no score"):
        read_scan(scan_file(tmp_path, SCAN.replace("1e-6", "low")))
    with pytest.raises(KgregError, match="line 1: there is no column 'motif_id'"):
        read_scan(scan_file(tmp_path, SCAN.replace("motif_id", "pattern")))
    hits = read_scan(scan_file(tmp_path))
    with pytest.raises(DataError, match="None of the 6 hits has p <= 1e-12"):
        targets_from_scan(hits, max_p=1e-12)
    with pytest.raises(DataError, match="None of the motifs of the scan has a factor: M1, M2, M3"):
        targets_from_scan(hits, factors=FACTORS.assign(motif="other"))
    with pytest.raises(DataError, match="No factor has 9 hits"):
        targets_from_scan(hits, min_hits=9)
    with pytest.raises(DataError, match="The score of M1 at g1 is missing"):
        targets_from_scores(pd.DataFrame({"M1": [0.0, np.nan]}, index=["g0", "g1"]))
    with pytest.raises(DataError, match="share of 0"):
        targets_from_scores(pd.DataFrame({"M1": [0.0, 1.0]}), share=0)
    with pytest.raises(DataError, match="scores higher at some genes"):
        targets_from_scores(pd.DataFrame({"M1": [1.0, 1.0]}))


@pytest.mark.parametrize(
    ("knowledge", "network"),
    [
        ('guide = "network"\nnetwork = "targets.csv"', 'model = "visible"'),
        ('guide = "tables"\nannotations = "targets.csv"\nmin_genes = 1\nredundancy = "none"', 'model = "visible"'),
        (
            'guide = "interactions"\ninteractions = "targets.csv"',
            'model = "graph"\nconv = "gcn"\nwidths = [4]\nreadout = "mean"\ngene_features = 2',
        ),
    ],
)
def test_one_table_of_targets_guides_every_family(tmp_path: Path, knowledge: str, network: str) -> None:
    rng = np.random.default_rng(0)
    genes = ["FOS", "GATA1", *(f"g{i}" for i in range(12))]
    scores = pd.DataFrame(rng.normal(size=(12, 2)), index=genes[2:], columns=["FOS", "GATA1"])
    targets = targets_from_scores(scores, share=0.4)
    targets.to_csv(tmp_path / "targets.csv", index=False)
    obs = pd.DataFrame({"class": np.where(np.arange(40) % 2, "x", "y")}, index=[f"s{i}" for i in range(40)])
    values = rng.normal(size=(40, len(genes))).astype(np.float32)
    anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(tmp_path / "data.h5ad")
    (tmp_path / "x.toml").write_text(
        f'[data]\nfile = "data.h5ad"\nlabel = "class"\n[knowledge]\n{knowledge}\n[network]\n{network}\n'
        "[training]\nfolds = 2\nmax_epochs = 2\n[nulls]\nrewired = 0\nlabels = 0\n"
    )
    run = run_experiment(tmp_path / "x.toml", until="train" if "graph" in network else "compile", workers=1)
    blueprint, expected = run.blueprint, {*zip(targets["tf"], targets["target"], strict=True)}
    if "interactions" in knowledge:
        ends = blueprint.interactions[["source", "target"]].to_numpy().tolist()
        assert {frozenset(pair) for pair in ends} == {frozenset(pair) for pair in expected}
    else:
        read = {
            (t.removesuffix("_protein"), s)
            for s, t in zip(blueprint.edges["source"], blueprint.edges["target"], strict=False)
        }
        assert expected <= read
    assert "graph" not in network or run.metrics["arms"]
