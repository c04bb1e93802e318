"""The penalty of a visible network's gene weights, against a loop over terms; and what it does in a fit."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint, clean_interactions
from kgreg.errors import FitError
from kgreg.fit import fit_networks
from kgreg.nn import Architecture, VisibleNetwork
from tests.fit.cases import assert_alike, first_split
from tests.nn.slow_network import SlowNetwork
from tests.small_data import FAST, small_blueprint, small_samples

#: Pairs within "signal", within "other" (one of whose genes is in "noise" too), and between terms.
PAIRS = [("g00", "g01", 1.0), ("g02", "g01", 3.0), ("g04", "g09", 0.5), ("g04", "g05", 2.0), ("g03", "g11", 9.0)]


def guided_blueprint(pairs: list[tuple[str, str, float]] = PAIRS, signed: bool = False) -> Blueprint:
    blueprint = small_blueprint()
    table = pd.DataFrame(pairs, columns=["source", "target", "weight"])
    interactions, _ = clean_interactions(table, pd.Index(blueprint.genes["id"]))
    if signed:
        sign = np.where(np.arange(len(blueprint.edges)) % 3 == 0, -1, 0)
        blueprint = replace(blueprint, edges=blueprint.edges.assign(sign=sign))
    return replace(blueprint, interactions=interactions)


def slow_roughness(network: VisibleNetwork, blueprint: Blueprint) -> Tensor:
    slow = SlowNetwork(network, blueprint)
    links = {frozenset((row.source, row.target)): row.weight for row in blueprint.interactions.itertuples()}
    genes = set(blueprint.genes["id"])
    total, weight = torch.zeros(()), 0.0
    for term in blueprint.terms["id"]:
        own = {e.source: i for i, e in enumerate(blueprint.edges.itertuples()) if e.target == term}
        for g, h in combinations([gene for gene in own if gene in genes], 2):
            a = links.get(frozenset((g, h)), 0.0)
            one, two = slow._edge_weight(own[g]), slow._edge_weight(own[h])
            total = total + a * (one - two).pow(2).sum()
            weight += a * one.numel()
    return total / weight


@pytest.mark.parametrize("gene_layer", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_it_equals_a_loop_over_terms(gene_layer: bool, signed: bool) -> None:
    blueprint = guided_blueprint(signed=signed)
    torch.manual_seed(0)
    network = VisibleNetwork(blueprint, 2, Architecture(laplacian=1.0, gene_layer=gene_layer))
    found, expected = network.roughness(), slow_roughness(network, blueprint)
    assert found is not None
    torch.testing.assert_close(found[0], expected)
    of = list(network.hierarchy.parameters())
    fast, slow = (torch.autograd.grad(value, of, allow_unused=True) for value in (found[0], expected))
    for one, two in zip(fast, slow, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two)


def test_without_the_option_there_is_none_and_without_interactions_it_is_refused() -> None:
    assert VisibleNetwork(guided_blueprint(), 2).roughness() is None
    with pytest.raises(FitError, match="needs interactions"):
        VisibleNetwork(small_blueprint(), 2, Architecture(laplacian=1.0))
    with pytest.raises(FitError, match="negative"):
        Architecture(laplacian=-1.0)


def test_interactions_between_terms_alone_penalise_nothing() -> None:
    network = VisibleNetwork(guided_blueprint([("g00", "g05", 1.0)]), 2, Architecture(laplacian=1.0))
    found = network.roughness()
    assert found is not None
    assert found.tolist() == [0.0]


def test_it_makes_weights_of_interacting_genes_alike_and_replicates_stay_apart() -> None:
    blueprint, samples = guided_blueprint(), small_samples()
    splits = [first_split(samples)] * 2
    plain = replace(FAST, stopping="none", max_epochs=6)
    smooth = replace(plain, architecture=Architecture(laplacian=30.0))
    rough = fit_networks(blueprint, samples, splits[:1], plain, [3])[0]
    together = fit_networks(blueprint, samples, splits, smooth, [3, 4])
    alone = fit_networks(blueprint, samples, splits[:1], smooth, [4])[0]
    found = [float(slow_roughness(model.network, blueprint).detach()) for model in (rough, together[0])]
    assert found[1] < 0.2 * found[0]
    assert_alike(together[1], alone)
