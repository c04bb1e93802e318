"""Knockouts against full passes over the changed inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn import Architecture, Hierarchy, Inputs, Node, SparseRows, VisibleNetwork
from kgreg.nn.hierarchy import Knockout
from tests.random_graphs import blueprints

some = settings(max_examples=25, deadline=None)


@st.composite
def hierarchies(draw: st.DrawFn) -> Hierarchy:
    """Draw R networks in evaluation mode whose statistics are in no way neutral."""
    n_inputs = draw(st.integers(1, 6))
    nodes: list[Node] = []
    for level in range(draw(st.integers(1, 4))):
        below = len(nodes)
        kind: dict[str, Any] = {
            "activation": draw(st.sampled_from(["tanh", "relu", "sigmoid", "identity"])),
            "norm": draw(st.sampled_from(["none", "before", "after"])),
        }
        for _ in range(draw(st.integers(1, 3))):
            children = sorted(draw(st.sets(st.integers(0, below - 1), max_size=4))) if below else []
            least = 0 if children else 1
            inputs = sorted(draw(st.sets(st.integers(0, n_inputs - 1), min_size=least)))
            nodes.append(Node(f"n{len(nodes)}", draw(st.integers(1, 6)), level, inputs, children, **kind))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    return disturb(Hierarchy(nodes, n_inputs, draw(st.integers(1, 2)))).eval()


def disturb(module: Any) -> Any:
    """Draw all that starts as 0 or 1 at random."""
    for part in module.modules():
        if isinstance(part, Hierarchy):
            with torch.no_grad():
                part.scale.uniform_(0.5, 2.0)
                part.shift.uniform_(-1.0, 1.0)
                part.running[0].uniform_(-1.0, 1.0)
                part.running[1].uniform_(0.5, 2.0)
    return module


def inputs_like(hierarchy: Hierarchy, batch: int, share: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (hierarchy.networks, batch, hierarchy.program.n_inputs)
    x = torch.randn(shape, dtype=hierarchy.bias.dtype, generator=generator)
    return x * (torch.rand(shape, generator=generator) < share)


def draw_factors(data: st.DataObject, shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    dose = data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    return dose * torch.randint(0, 2, shape, generator=generator).double()


def whole(base: Tensor, knockout: Knockout) -> Tensor:
    """Return the activations after a knockout, ``[R, N, B]``."""
    found = base.clone()
    found[:, torch.from_numpy(knockout.neurons)[:, None], torch.from_numpy(knockout.samples)[None]] = knockout.hidden
    return found


@some
@given(hierarchies(), st.sampled_from([0.05, 0.6]), st.integers(0, 7), st.booleans(), st.data())
def test_what_changes_is_what_a_full_pass_finds(
    hierarchy: Hierarchy, share: float, batch: int, double: bool, data: st.DataObject
) -> None:
    hierarchy = hierarchy.to(torch.float64 if double else torch.float32)
    x = inputs_like(hierarchy, batch, share, data.draw(st.integers(0, 99)))
    n = hierarchy.program.n_inputs
    columns = data.draw(st.lists(st.lists(st.integers(0, n - 1), max_size=n), max_size=4))
    values = inputs_like(hierarchy, 1, data.draw(st.sampled_from([0.0, 0.5])), 100)[:, 0]
    # 0 sets an input, 1 with a value of 0 leaves it, all else is a dose
    factors = draw_factors(data, (hierarchy.networks, n)).to(x.dtype)
    sweep = hierarchy.knockouts(x, columns, values, factors)
    found = [knockout for block in sweep.blocks for knockout in block]
    assert len(found) == len(columns)
    tolerance = 1e-10 if double else 1e-5
    for knocked, knockout in zip(columns, found, strict=True):
        changed = x.clone()
        changed[:, :, knocked] = factors[:, None, knocked] * x[:, :, knocked] + values[:, None, knocked]
        with torch.no_grad():
            expected = hierarchy(changed)
        scale = float(expected.abs().max()) if expected.numel() else 1.0
        torch.testing.assert_close(
            whole(sweep.hidden, knockout), expected, rtol=tolerance, atol=tolerance * max(1.0, scale)
        )
        touched = (changed != x).any(dim=2).any(dim=0).nonzero()[:, 0]
        assert knockout.samples.tolist() == touched.tolist()


@some
@given(hierarchies(), st.integers(1, 5), st.data())
def test_other_backends_and_sparse_rows_find_the_same(hierarchy: Hierarchy, batch: int, data: st.DataObject) -> None:
    hierarchy = hierarchy.double()
    x = inputs_like(hierarchy, batch, 0.4, 1)
    columns = [[i] for i in range(hierarchy.program.n_inputs)]
    table = sparse.csr_matrix(x.reshape(-1, x.shape[2]).numpy())
    rows = SparseRows.take(table, np.arange(len(x) * batch).reshape(len(x), batch))
    value, factor = data.draw(st.sampled_from([0.0, -1.5])), data.draw(st.sampled_from([0.0, 0.5, 3.0]))
    sweeps = [
        hierarchy.knockouts(x, columns, value, factor),
        hierarchy.knockouts(rows, columns, value, factor),
        hierarchy.knockouts(x, columns, value, factor, backend="reference"),
    ]
    every = [[knockout for block in sweep.blocks for knockout in block] for sweep in sweeps]
    for first, second, third in zip(*every, strict=True):
        assert first.neurons.tolist() == second.neurons.tolist() == third.neurons.tolist()
        for other, sweep in ((second, sweeps[1]), (third, sweeps[2])):
            torch.testing.assert_close(whole(sweeps[0].hidden, first), whole(sweep.hidden, other), rtol=0, atol=1e-10)


@some
@given(hierarchies())
def test_only_ancestors_of_an_input_are_computed(hierarchy: Hierarchy) -> None:
    program = hierarchy.program
    x = inputs_like(hierarchy, 3, 1.0, 0)
    above: list[set[int]] = []
    for column in range(program.n_inputs):
        reached: set[int] = set()
        for t in range(program.n_nodes):
            reads = set(program.input_column[program.input_ptr[t] : program.input_ptr[t + 1]].tolist())
            neurons = program.source[program.source_ptr[t] : program.source_ptr[t + 1]]
            if column in reads or reached & set(neurons.tolist()):
                reached |= set(range(int(program.start[t]), int(program.start[t] + program.width[t])))
        above.append(reached)
    sweep = hierarchy.knockouts(x, [[i] for i in range(program.n_inputs)])
    assert [set(k.neurons.tolist()) for block in sweep.blocks for k in block] == above


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    nodes = [Node(f"a{i}", 2, 0, [i], [], norm="before") for i in range(5)] + [Node("b", 3, 1, [], range(5))]
    hierarchy = disturb(Hierarchy(nodes, 5)).eval()
    x = inputs_like(hierarchy, 9, 0.5, 0)
    columns = [[0], [1, 2], [], [3], [4]]
    once = [k for block in hierarchy.knockouts(x, columns).blocks for k in block]
    monkeypatch.setattr("kgreg.nn.hierarchy.knockouts._AT_ONCE", 60)
    blocks = list(hierarchy.knockouts(x, columns).blocks)
    assert len(blocks) > 2
    for a, b in zip(once, [k for block in blocks for k in block], strict=True):
        assert torch.equal(a.hidden, b.hidden)


#: With the number of covariates.
ARCHITECTURES = st.sampled_from(
    [
        (Architecture(), 0),
        (Architecture(norm="after", heads="tanh-linear", readout="head", gene_layer=True), 0),
        (Architecture(heads="layer", readout="heads"), 0),
        (Architecture(readout="terms", heads="none", input_scale=0.5), 0),
        (
            Architecture(norm="after", heads="tanh", readout="joined", gene_scaling=True, blocks={"drug": (4, 2)}),
            1,
        ),
        (Architecture(covariates_at="genes"), 2),
        (Architecture(covariates_at="head"), 2),
        (Architecture(burden=0.3), 0),
    ]
)


@some
@given(blueprints(), ARCHITECTURES, st.booleans(), st.integers(1, 2), st.data())
def test_outputs_and_terms_of_a_network(
    blueprint: Blueprint, kind: tuple[Architecture, int], shared: bool, networks: int, data: st.DataObject
) -> None:
    architecture, n_covariates = kind
    torch.manual_seed(data.draw(st.integers(0, 99)))
    n, batch = len(blueprint.inputs), 6
    shared = shared and architecture.covariates_at == "head"
    sizes = {"drug": 3} if architecture.blocks else None
    network = VisibleNetwork(
        blueprint, 2, architecture, n_covariates=n_covariates, block_sizes=sizes, networks=networks
    )
    network = disturb(network.double()).eval()
    rows = {"genes": torch.randint(0, 4, (networks, batch))} if shared else {}
    x = torch.randn(networks, 4 if shared else batch, n, dtype=torch.float64)
    x = x * (torch.rand_like(x) < 0.5)
    extra = {"drug": torch.randn(networks, batch, 3, dtype=torch.float64)} if architecture.blocks else {}
    covariates = torch.randn(networks, batch, n_covariates, dtype=torch.float64) if n_covariates else None
    columns = data.draw(st.lists(st.lists(st.integers(0, n - 1), min_size=1, max_size=3), min_size=1, max_size=3))
    values = torch.randn(networks, n, dtype=torch.float64) * data.draw(st.sampled_from([0.0, 1.0]))

    def full(genes: Tensor) -> Any:
        with torch.no_grad():
            return network(Inputs(genes, blocks=extra, covariates=covariates, rows=rows))

    base = full(x)
    given_ = Inputs(x, blocks=extra, covariates=covariates, rows=rows)
    factors = draw_factors(data, (networks, n))
    found = list(network.knock_out(given_, columns, values, factors))
    assert len(found) == len(columns)
    for knocked, change in zip(columns, found, strict=True):
        changed = x.clone()
        changed[:, :, knocked] = factors[:, None, knocked] * x[:, :, knocked] + values[:, None, knocked]
        expected = full(changed)
        outputs, hidden = base.outputs.clone(), base.hidden.clone()
        outputs[..., change.samples, :] = change.outputs
        hidden[..., torch.from_numpy(change.neurons)[:, None], torch.from_numpy(change.rows)[None]] = change.hidden
        torch.testing.assert_close(outputs, expected.outputs, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(hidden, expected.hidden, rtol=1e-9, atol=1e-10)


def test_asking_a_knockout_leaves_gradients_on() -> None:
    hierarchy = Hierarchy([Node("a", 2, 0, [0], [])], 1).eval()
    for _ in hierarchy.knockouts(torch.ones(1, 2, 1), [[0], [0]]).blocks:
        assert torch.is_grad_enabled()


def test_what_cannot_be_knocked_out_is_refused() -> None:
    hierarchy = Hierarchy([Node("a", 2, 0, [0], [])], 1)
    with pytest.raises(FitError, match="evaluation mode"):
        hierarchy.knockouts(torch.ones(1, 2, 1), [[0]])
    with pytest.raises(FitError, match="Knockout 1 names an input"):
        hierarchy.eval().knockouts(torch.ones(1, 2, 1), [[0], [1]])
