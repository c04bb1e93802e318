"""What terms read beside genes and children: burdens, covariates, interactions; and the scale of the inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.errors import FitError
from kgreg.nn import Architecture, Inputs, SparseRows, VisibleNetwork


@pytest.fixture
def blueprint() -> Blueprint:
    """Six genes with two modalities, four terms, one root."""
    hierarchy = pd.DataFrame({"child": list("abcc"), "parent": list("rrab")})
    annotations = pd.DataFrame({"gene": list("uvwxyzuv"), "term": list("cccabbra")})
    features = pd.DataFrame(
        [(gene, gene, modality) for gene in "uvwxyz" for modality in ("mutation", "deletion")],
        columns=["feature", "gene", "modality"],
    )
    return compile_hierarchy(hierarchy, annotations, features, redundancy=None, width=2)


def altered(n: int = 20) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 2, (n, 12)).astype(np.float64))


def test_a_burden_is_the_standardised_log_of_the_alterations_below_a_term(blueprint: Blueprint) -> None:
    x = altered()
    network = VisibleNetwork(blueprint, 1, Architecture(burden=0.1, norm="none", heads="none")).double()
    network.burdens.standardise(0, x)
    found = network.burdens(x[None])[0]
    members, column = blueprint.gene_sets(), 0
    for term in network.term_ids:
        for modality in ("mutation", "deletion"):
            own = blueprint.inputs["node"].isin(members[term]) & (blueprint.inputs["modality"] == modality)
            raw = np.log1p(x.numpy()[:, own.to_numpy()].sum(axis=1))
            expected = 0.1 * (raw - raw.mean()) / (raw.std() or 1.0)
            np.testing.assert_allclose(found[:, column].numpy(), expected, atol=1e-12)
            column += 1
    assert column == found.shape[1]


def test_a_burden_reaches_its_term_alone(blueprint: Blueprint) -> None:
    network = VisibleNetwork(blueprint, 1, Architecture(burden=1.0, norm="none", heads="none")).double()
    hierarchy, x = network.hierarchy, altered()
    plain = hierarchy.levels_of(network.hierarchy_inputs(network.check(x)))
    moved = network.hierarchy_inputs(network.check(x)).clone()
    moved[:, :, -1] += 1.0  # the last term is the root
    after = hierarchy.levels_of(moved)
    changed = [bool((a != b).any()) for a, b in zip(plain, after, strict=True)]
    assert changed == [False] * (len(changed) - 1) + [True]


def test_sparse_and_dense_rows_have_the_same_burdens(blueprint: Blueprint) -> None:
    from scipy import sparse

    x = altered(8).float() * (torch.arange(8)[:, None] % 3 == 0)
    network = VisibleNetwork(blueprint, 1, Architecture(burden=0.5, input_scale=3.0)).eval()
    rows = SparseRows.take(sparse.csr_matrix(x.numpy()), np.arange(8)[None])
    torch.testing.assert_close(network.predict(Inputs(rows)), network.predict(x))


def test_scaled_inputs_are_those_of_scaled_data(blueprint: Blueprint) -> None:
    torch.manual_seed(0)
    plain = VisibleNetwork(blueprint, 1).double().eval()
    scaled = VisibleNetwork(blueprint, 1, Architecture(input_scale=3.0)).double().eval()
    scaled.load_state_dict(plain.state_dict())
    torch.testing.assert_close(scaled.predict(altered()), plain.predict(3 * altered()))


def test_interactions_multiply_what_is_read(blueprint: Blueprint) -> None:
    network = (
        VisibleNetwork(blueprint, 2, Architecture(heads="none"), n_covariates=3, interacting=[0, 2]).double().eval()
    )
    readout, x, c = network.readout, altered(), torch.randn(20, 3, dtype=torch.float64)
    assert not readout.covariate_weight.any()  # covariates start without a say
    assert not readout.interaction_weight.any()
    with torch.no_grad():
        readout.covariate_weight.normal_()
        readout.interaction_weight.normal_()
    out = network(Inputs(x[None], covariates=c[None]))
    root = out.hidden[network.term_slices()["r"]].T
    expected = root @ readout.weight[0].T + readout.bias[0] + c @ readout.covariate_weight[0].T
    for i, column in enumerate((0, 2)):
        weight = readout.interaction_weight[0, :, i * root.shape[1] : (i + 1) * root.shape[1]]
        expected = expected + (root * c[:, column : column + 1]) @ weight.T
    torch.testing.assert_close(out.outputs, expected)


def test_covariates_at_terms_are_inputs_of_every_term_and_of_the_readout(blueprint: Blueprint) -> None:
    architecture = Architecture(covariates_at="terms", heads="none", norm="none")
    network = VisibleNetwork(blueprint, 1, architecture, n_covariates=2).double()
    assert network.readout.covariate_weight.shape == (1, 1, 2)
    x, c = altered(), torch.randn(20, 2, dtype=torch.float64)
    before = network(Inputs(x[None], covariates=c[None])).hidden
    after = network(Inputs(x[None], covariates=(c + 1)[None])).hidden
    assert all(bool((before[at] != after[at]).any()) for at in network.term_slices().values())
    rows = {"genes": torch.zeros(1, 20, dtype=torch.int64)}
    with pytest.raises(FitError, match="no rows to share"):
        network(replace(Inputs(x[None], covariates=c[None]), rows=rows))
