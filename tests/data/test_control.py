"""Control inputs: every gene tells the classes apart equally well, depths and labels stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from kgreg.data import Samples, control_inputs
from kgreg.errors import DataError

GENES = [f"g{i}" for i in range(8)]
INPUTS = pd.DataFrame({"feature": GENES[:6], "modality": "rna", "node": GENES[:6]})


def counts(n: int = 400) -> Samples:
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.4, n)
    x = rng.poisson(depth[:, None] * np.linspace(20, 60, len(GENES))).astype(np.float32)
    return Samples(
        x=x, features=GENES, names=[f"s{i}" for i in range(n)], target=np.arange(n) % 2, classes=["no", "yes"],
        groups=None, task="classification", label="state", layer="X", origin="made here",
    )  # fmt: skip


@pytest.mark.parametrize("form", ["counts", "sparse", "log"])
def test_every_gene_is_halved_or_doubled_in_one_class(form: str) -> None:
    samples = counts()
    if form == "sparse":
        samples = replace(samples, x=sparse.csr_matrix(samples.x))
    if form == "log":
        samples = replace(samples, x=np.log1p(samples.x * 0.99))
    drawn = control_inputs(samples, INPUTS, seed=1)
    assert drawn.features == GENES[:6]
    x = np.expm1(drawn.x) if form == "log" else drawn.x
    no, yes = (np.asarray(x)[samples.target == c].mean(axis=0) for c in (0, 1))
    change = np.log2(yes / no)
    change -= np.median([change[change > 0].mean(), change[change < 0].mean()])  # shares add up to 1 in either class
    assert {*np.sign(change)} == {-1, 1}
    np.testing.assert_allclose(np.abs(change), 1, atol=0.08)
    depth = np.asarray(counts().x[:, :6].sum(axis=1))
    assert np.corrcoef(depth, np.asarray(x).sum(axis=1))[0, 1] > 0.8
    assert drawn.target is samples.target
    np.testing.assert_array_equal(control_inputs(samples, INPUTS, seed=1).x, drawn.x)
    assert (control_inputs(samples, INPUTS, seed=2).x != drawn.x).any()


def test_labels_change_genes_each_on_its_own() -> None:
    samples = counts()
    target = np.stack([np.arange(400) % 2, np.arange(400) // 2 % 2], axis=1).astype(np.float32)
    target[:10, 0] = np.nan
    drawn = control_inputs(replace(samples, task="multilabel", classes=[], labels=["a", "b"], target=target), INPUTS, 0)
    for label in (0, 1):
        on, off = (drawn.x[target[:, label] == value].mean(axis=0) for value in (1, 0))
        assert (np.abs(np.log2(on / off)) > 0.4).sum() >= 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "regression", "classes": []}, "for classes and labels; the task is regression"),
        ({"x": -np.ones((400, 8), dtype=np.float32)}, "neither counts nor log1p"),
        ({"x": np.full((400, 8), 99.5, dtype=np.float32)}, "between 99.5 and 99.5"),
        ({"modalities": ["a"] * 8}, "one layer of expression"),
    ],
)
def test_what_has_no_counts_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        control_inputs(replace(counts(), **change), INPUTS, 0)  # type: ignore[arg-type]
    assert "controls = 0" in caught.value.hint
