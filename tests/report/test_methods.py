"""The paragraph of methods says what the contents hold, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kgreg.decode.importance.methods import MEASURES
from kgreg.experiment import recipe_names
from kgreg.nn.designs import DESIGNS
from kgreg.report import references
from kgreg.report.materials import FAMILIES, used_sources
from kgreg.report.methods import _MEASURES, citations, methods_paragraph
from tests.report.contents import HOSTILE, contents

TRAINING = {
    "optimiser": "adamw", "learning_rate": 0.002, "weight_decay": 1e-4, "batch_size": 64, "max_epochs": 100,
    "stopping": "early", "stop_fraction": 0.15, "patience": 8, "class_weight": "balanced", "replicates": 3,
}  # fmt: skip


def _with(**sections: Any) -> Any:
    made = contents()
    return replace(made, experiment={**made.experiment, **sections})


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_every_task_has_its_words(task: str) -> None:
    text = methods_paragraph(contents(task=task))
    named = {
        "classification": "3 classes of “cell_type” (20 samples each)",
        "regression": "ridge regression",
        "multilabel": "predict 3 labels",
        "survival": "41 events",
    }
    assert named[task] in text
    assert text.startswith("We analysed 60 samples with 14 features (cells.h5ad)")
    assert not re.search(r"\b(None|nan|NaN)\b|\{|\}", text)
    assert text.endswith(".")


def test_numbers_are_those_of_the_contents() -> None:
    made = _with(training=TRAINING)
    text = methods_paragraph(made)
    summary = made.blueprint.summary()
    assert f"{summary['genes']} genes, {summary['terms']} terms in {summary['levels']} levels" in text
    assert "Of 14 feature names, 12 were matched to a gene (1 of them" in text
    assert "AdamW (learning rate 0.002, weight decay 0.0001, batches of 64) for at most 100 epochs" in text
    assert "3 networks a fold that differ in their seed" in text
    assert "15 % of the training samples" in text
    graph = next(arm for arm in made.metrics["arms"] if arm["arm"] == "graph")["metrics"]["balanced_accuracy"]
    assert f"{graph['mean']:.3f} [{graph['low']:.3f}, {graph['high']:.3f}] for the network" in text
    assert "release 2022-07-01" in text
    assert made.blueprint.content_hash()[:12] in text


def test_what_was_not_done_is_not_claimed() -> None:
    text = methods_paragraph(contents(nulls=(), knockouts=()))
    assert "rewir" not in text
    assert "permuted" not in text
    assert "Knockouts" not in text
    assert not any("Benjamini" in line or "Maslov" in line for line in citations(contents(nulls=(), knockouts=())))


def test_intervals_are_over_folds_or_seeds() -> None:
    made = contents()
    assert "by Student's t over the folds, corrected for the training samples" in methods_paragraph(made)
    one = replace(made, metrics={**made.metrics, "folds": 1})
    assert "by Student's t over seeds, on one held-out part" in methods_paragraph(one)


def test_one_network_has_no_interval() -> None:
    made = contents()
    one = replace(made, ranking=made.ranking.assign(n=1, low=np.nan, high=np.nan))
    assert "averaged over 1 network; one network gives no interval" in methods_paragraph(one)


def test_knockouts_tell_of_doses_and_matched_genes() -> None:
    made = contents()
    table = made.knockouts.assign(how=["silent", "dose 2"] * (len(made.knockouts) // 2), n_null=100)
    text = methods_paragraph(replace(made, knockouts=table))
    assert "to zero (to the lowest measured value, if that is below) and to 2 times what was measured in" in text
    assert "inputs to altered in" in methods_paragraph(replace(made, knockouts=table.assign(how="altered")))
    assert "100 random genes of matched expression" in text


def test_enrichment_is_told() -> None:
    table = pd.DataFrame({"collection": ["Reactome", "GO"], "method": ["rank", "hypergeometric"]})
    made = replace(contents(), tables={"enrichment": table})
    assert "in GO and Reactome was tested by a hypergeometric test and a rank-based test" in methods_paragraph(made)
    assert any("Subramanian" in line for line in citations(made))


def test_only_sources_that_were_asked_for_are_cited() -> None:
    made = contents()
    sources = [{"name": name, "title": name} for name in ("genes_human", "go", "goa_human", "jaspar", "reactome")]
    blueprint = replace(made.blueprint, provenance={**made.blueprint.provenance, "sources": sources})

    def used(**knowledge: Any) -> list[str]:
        return [
            s["name"] for s in used_sources(replace(made, blueprint=blueprint, experiment={"knowledge": knowledge}))
        ]

    assert used(guide="go") == ["genes_human", "go", "goa_human"]
    assert used(guide="reactome", interactions=None) == ["genes_human", "reactome"]
    assert used(guide="motifs") == ["jaspar"]
    assert used(guide="interactions", interactions="reactome") == ["genes_human", "reactome"]
    assert used(guide="tables") == []
    assert len(used(guide="cypher")) == len(sources)


def test_references_are_given_once_and_fit_the_recipe() -> None:
    made = _with(recipe="kpnn", decode={"measure": "gradient", "also": ["integrated_gradients", "rlipp"]})
    found = citations(made)
    assert len(found) == len(set(found))
    assert found[0].startswith("kgreg, version 0.1.0")
    assert sum("Fortelny N, Bock C" in line for line in found) == 1
    assert any("Sundararajan" in line for line in found)
    plain = citations(_with(decode={"measure": "integrated_gradients"}))
    assert not any("Fortelny N, Bock C" in line for line in plain)
    assert all(re.search(r"\b(19|20)\d\d\)|no paper", line) for line in found)


def test_recipes_have_references_but_for_those_without_a_paper() -> None:
    without = {name for name in recipe_names() if not references.of_recipe(name)}
    assert without == {"cobra", "gonnect", "motif"}


def test_all_families_have_words() -> None:
    assert set(FAMILIES) == {"visible", *DESIGNS}
    for model in FAMILIES:
        assert "We trained" in methods_paragraph(_with(network={"model": model}))


def test_corrections_for_connectivity_are_told() -> None:
    assert "corrected for the connectivity of nodes by regression" in methods_paragraph(
        _with(decode={"degree": "regression"})
    )
    assert "corrected for the connectivity" not in methods_paragraph(_with(decode={"degree": "none"}))


def test_all_measures_have_words() -> None:
    assert set(_MEASURES) == set(MEASURES)


def test_names_from_data_stay_as_they_are() -> None:
    assert HOSTILE in methods_paragraph(contents(label=HOSTILE))  # plain text: whoever shows it escapes it
