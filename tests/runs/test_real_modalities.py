"""Three alterations of real cell lines, brought together: what the documents say of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.data.published import import_nest, write_import
from kgreg.experiment import make_experiment, read_experiment
from kgreg.runs import run_experiment
from tests.sources.shared_data import shared


@pytest.mark.slow
def test_alterations_of_cell_lines_lead_to_the_genes_of_the_drug(tmp_path: Path) -> None:
    experiment = write_import(import_nest(shared("nest_palbociclib")), tmp_path / "palbociclib")
    asked = read_experiment(experiment)
    record = {
        "data": asked.data.model_dump(exclude_none=True),
        "knowledge": {"guide": "blueprint", "blueprint": asked.knowledge.blueprint},
        "network": {"model": "moli", "first": "terms", "width": 32, "triplet": 0.0},
        "training": {"max_epochs": 15},
        "nulls": {"rewired": 0, "labels": 1},
        "knockouts": {"automatic": 0},
        "output": {"folder": str(tmp_path / "run")},
    }
    run = run_experiment(make_experiment(record), until="explain")
    found = {arm["arm"]: arm["metrics"]["pearson_r"]["mean"] for arm in run.metrics["arms"]}
    assert found["graph"] > 0.3 > found["labels"] + 0.1
    # Palbociclib inhibits CDK4 and CDK6, which CDKN2A holds back and which act on RB1.
    assert {"CDKN2A", "RB1"} <= set(run.explanation.top("gene", n=10)["label"])
    assert len(run.explanation.top("term", n=200)) == 131
