"""The visible network against a loop over its terms, and what it promises about its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn import Architecture, Inputs, SparseRows, VisibleNetwork
from tests.nn.slow_network import SlowNetwork
from tests.random_graphs import Knowledge, blueprints

some = settings(max_examples=25, deadline=None)


@dataclass(frozen=True)
class Setting:
    """A network and the shapes of what it is given."""

    blueprint: Blueprint
    architecture: Architecture
    n_outputs: int = 2
    n_covariates: int = 0
    link: str = "identity"

    def network(self, seed: int = 0) -> VisibleNetwork:
        """Return a network in double precision whose batch norms are in no way neutral."""
        torch.manual_seed(seed)
        network = VisibleNetwork(
            self.blueprint,
            self.n_outputs,
            self.architecture,
            n_covariates=self.n_covariates,
            block_sizes={name: 3 + len(name) for name in self.architecture.blocks},
            link=self.link,
        ).double()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.endswith(("hierarchy.scale", "joined.scale")):
                    parameter.uniform_(0.5, 1.5)
                if name.endswith(("shift", "covariate_weight")):
                    parameter.uniform_(-0.5, 0.5)
            for buffer_name, buffer in network.named_buffers():
                if buffer_name.endswith("running"):
                    buffer[0].uniform_(-0.5, 0.5)
                    buffer[1].uniform_(0.5, 2.0)
        return network

    def given(self, n: int = 6, seed: int = 1) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)

        def draw(columns: int) -> Tensor:
            return torch.randn(n, columns, dtype=torch.float64, generator=generator)

        found = {"x": draw(len(self.blueprint.inputs))}
        found |= {name: draw(3 + len(name)) for name in self.architecture.blocks}
        return found | ({"covariates": draw(self.n_covariates)} if self.n_covariates else {})

    def inputs(self, tensors: dict[str, Tensor], **more: object) -> Inputs:
        blocks = {name: tensors[name][None] for name in self.architecture.blocks}
        covariates = tensors["covariates"][None] if self.n_covariates else None
        return Inputs(tensors["x"][None], blocks, covariates, **more)

    def slow(self, tensors: dict[str, Tensor]) -> dict[str, object]:
        return {
            "x": tensors["x"],
            "blocks": {name: tensors[name] for name in self.architecture.blocks},
            "covariates": tensors.get("covariates"),
        }


@st.composite
def ruled_blueprints(draw: st.DrawFn) -> Blueprint:
    """Draw a blueprint with several features of some genes, signs, fixed edges and preset weights."""
    blueprint = draw(blueprints())
    inputs = blueprint.inputs
    if draw(st.booleans()):
        again = inputs.iloc[draw(st.lists(st.integers(0, len(inputs) - 1), unique=True, max_size=4))]
        inputs = pd.concat([inputs, again.assign(modality="again")], ignore_index=True)
        inputs = inputs.iloc[draw(st.permutations(range(len(inputs))))]
    edges, n = blueprint.edges, len(blueprint.edges)
    if draw(st.booleans()):
        signs = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
        preset = draw(st.lists(st.sampled_from([None, 0.5, 2.0]), min_size=n, max_size=n))
        trainable = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        weight = [None if w is None else w * (s or -1) for w, s in zip(preset, signs, strict=True)]
        edges = edges.assign(
            sign=signs,
            weight=np.array([np.nan if w is None else w for w in weight]),
            trainable=[t or w is None for t, w in zip(trainable, weight, strict=True)],
        )
    return replace(blueprint, inputs=inputs, edges=edges)


BLOCKS = st.sampled_from([{}, {}, {"drug": (4, 2)}, {"drug": (3,), "cell": (2,)}])


@st.composite
def networks(draw: st.DrawFn) -> Setting:
    """Draw a blueprint with an architecture that suits it, without dropout."""
    heads = draw(st.sampled_from(["none", "linear", "tanh", "tanh-linear", "layer"]))
    if heads == "layer":
        readout = "heads"
    else:
        readout = draw(st.sampled_from(["linear", "terms"] + (["head", "joined"] if heads != "none" else [])))
    blueprint = draw(ruled_blueprints())
    at = draw(st.sampled_from(["head", "genes"]))
    n_covariates = draw(st.sampled_from([0, 0, 2])) if readout != "heads" or at == "genes" else 0
    several = blueprint.inputs["node"].duplicated().any() or (n_covariates and at == "genes")
    architecture = Architecture(
        activation=draw(st.sampled_from(["tanh", "sigmoid", "identity", "relu"])),
        norm=draw(st.sampled_from(["none", "before", "after"])),
        heads=heads,
        readout=readout,
        joined_width=draw(st.integers(1, 4)),
        gene_layer=draw(st.sampled_from([None, True] + ([] if several else [False]))),
        gene_scaling=draw(st.booleans()),
        blocks={} if readout == "heads" else draw(BLOCKS),
        covariates_at=at,
    )
    link = draw(st.sampled_from(["identity", "sigmoid", "softmax"]))
    return Setting(blueprint, architecture, draw(st.integers(1, 3)), n_covariates, link)


def close(a: Tensor, b: Tensor, scale: float = 1.0) -> None:
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9 * max(1.0, scale))


def weigh(values: Tensor) -> Tensor:
    """Return a sum that weighs every number differently, so that no mistake can cancel."""
    return (values * torch.linspace(0.3, 2.1, values.numel(), dtype=values.dtype).view(values.shape)).sum()


def gradients(network: VisibleNetwork, tensors: dict[str, Tensor], loss: Tensor) -> dict[str, Tensor]:
    leaves = {**dict(network.named_parameters()), **tensors}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return {name: torch.zeros_like(p) if g is None else g for (name, p), g in zip(leaves.items(), found, strict=True)}


@settings(max_examples=60, deadline=None)
@given(networks(), st.booleans())
def test_outputs_and_all_gradients_equal_those_of_the_loop(setting: Setting, training: bool) -> None:
    network = setting.network().train(training)
    slow = SlowNetwork(network, setting.blueprint)
    tensors = {name: tensor.requires_grad_() for name, tensor in setting.given().items()}
    expected = slow(training=training, **setting.slow(tensors))
    out = network(setting.inputs(tensors))

    close(out.outputs, expected.outputs)
    close(out.hidden, torch.cat([expected.signal[term] for term in network.term_ids]))
    for term, rows in network.term_slices().items():
        close(out.hidden[rows], expected.signal[term])
    assert (out.auxiliary is None) == (not expected.heads)
    loss, slow_loss = weigh(out.outputs), weigh(expected.outputs)
    if out.auxiliary is not None:
        heads = torch.stack([head.T for head in expected.heads.values()])
        assert list(expected.heads)[: len(network.layout.head_of)] == network.layout.head_of
        close(out.auxiliary, heads)
        loss, slow_loss = loss + weigh(torch.tanh(out.auxiliary)), slow_loss + weigh(torch.tanh(heads))
    found, wanted = gradients(network, tensors, loss), gradients(network, tensors, slow_loss)
    largest = max(float(g.abs().max()) for g in wanted.values() if g.numel())
    for name, gradient in wanted.items():
        close(found[name], gradient, largest)


@some
@given(networks())
def test_running_statistics_follow_the_training_batches(setting: Setting) -> None:
    network = setting.network().train()
    slow = SlowNetwork(network, setting.blueprint)
    for seed in range(3):
        tensors = setting.given(4 + seed, seed)
        slow(training=True, **setting.slow(tensors))
        network(setting.inputs(tensors))
    h = network.hierarchy
    if setting.architecture.norm != "none":
        for node in setting.blueprint.terms["id"]:
            mean, variance = slow.running(h, node)
            close(h.running[0, 0, h.rows(node)], mean)
            close(h.running[1, 0, h.rows(node)], variance)
    network.eval()
    tensors = setting.given(2)
    close(network.predict(setting.inputs(tensors)), slow(training=False, **setting.slow(tensors)).outputs)


@some
@given(networks(), st.booleans(), st.data())
def test_the_order_of_samples_does_not_matter(setting: Setting, training: bool, data: st.DataObject) -> None:
    network = setting.network().train(training)
    tensors = setting.given()
    turn = torch.tensor(data.draw(st.permutations(range(6))))
    straight = network(setting.inputs(tensors))
    turned = network(setting.inputs({name: tensor[turn] for name, tensor in tensors.items()}))
    close(straight.outputs[turn], turned.outputs)
    if straight.auxiliary is not None:
        close(straight.auxiliary[:, :, turn], turned.auxiliary)


@some
@given(blueprints(), st.data())
def test_inputs_that_are_dealt_to_other_genes_are_read_there(blueprint: Blueprint, data: st.DataObject) -> None:
    turn = data.draw(st.permutations(range(len(blueprint.inputs))))
    inputs = blueprint.inputs.assign(node=blueprint.inputs["node"].to_numpy()[list(turn)])
    setting = Setting(replace(blueprint, inputs=inputs), Architecture())
    network = setting.network().eval()
    x = setting.given()["x"]
    close(network.predict(x), SlowNetwork(network, setting.blueprint)(x, training=False).outputs)


@some
@given(networks())
def test_there_is_a_parameter_for_every_edge_and_no_other(setting: Setting) -> None:
    a, blueprint, k = setting.architecture, setting.blueprint, setting.n_outputs
    network = setting.network()
    width = blueprint.nodes.set_index("id")["width"]
    terms = blueprint.terms["id"].tolist()
    genes = list(dict.fromkeys(blueprint.inputs["node"]))
    has_layer = genes[0] in network.hierarchy.position
    norms = 0 if a.norm == "none" else 2
    free = blueprint.edges[blueprint.edges["trainable"]]
    expected = sum(int(width[s]) * int(width[t]) for s, t in zip(free["source"], free["target"], strict=True))
    expected += int(width[terms].sum()) * (1 + norms)
    if has_layer:
        at_genes = setting.n_covariates if a.covariates_at == "genes" else 0
        expected += len(blueprint.inputs) + len(genes) * at_genes + len(genes) * (1 + norms)
    if a.gene_scaling:
        expected += 2 * int(blueprint.edges["source"].isin(genes).sum())
    outputs = list(dict.fromkeys(blueprint.outputs["node"]))
    affine = 2 * k if a.heads == "tanh-linear" else 0
    if a.heads == "layer":
        levels = blueprint.nodes[blueprint.nodes["id"].isin([*terms, *(genes if has_layer else [])])]
        expected += int(levels["width"].sum()) * k + levels["level"].nunique() * k
    elif a.heads != "none":
        apart = outputs if len(outputs) == 1 and a.readout in ("linear", "terms") else []
        expected += sum(int(width[term]) * k + k + affine for term in terms if term not in apart)
    read = int(width[terms if a.readout == "terms" else outputs].sum())
    for name, widths in a.blocks.items():
        below = 3 + len(name)
        for n in widths:
            expected += n * below + n * (1 + norms) + (n * k + k + affine if a.heads != "none" else 0)
            below = n
        read += widths[-1]
    read += setting.n_covariates if a.covariates_at == "head" else 0
    if a.readout == "joined":
        expected += a.joined_width * (read + 1 + norms)
        read = a.joined_width
    if a.readout != "heads":
        expected += read * k + k + (affine if a.readout in ("head", "joined") else 0)
    assert network.n_parameters() == expected


@some
@given(networks())
def test_a_trace_is_the_pass_and_its_gradients_are_the_effect_of_a_nudge(setting: Setting) -> None:
    setting = replace(setting, architecture=replace(setting.architecture, activation="tanh"))
    network = setting.network().eval()
    slow = SlowNetwork(network, setting.blueprint)
    tensors = setting.given(3)
    inputs = setting.inputs(tensors)
    out, levels = network.trace(inputs)
    straight = network(inputs)
    close(out.outputs, straight.outputs)
    close(out.hidden, straight.hidden)
    assert (out.auxiliary is None) == (straight.auxiliary is None)
    wanted = torch.autograd.grad(weigh(out.outputs), levels, allow_unused=True)
    gradient = torch.cat([torch.zeros_like(a) if g is None else g for a, g in zip(levels, wanted, strict=True)], dim=1)[
        0
    ]
    h = 1e-5
    for term in setting.blueprint.terms["id"][:4]:
        neurons = gradient[network.hierarchy.rows(term)]
        step = torch.zeros_like(neurons)
        step[0] = h  # the first neuron, in every sample
        up, down = (slow(training=False, nudge={term: s}, **setting.slow(tensors)).outputs for s in (step, -step))
        difference = float((weigh(up) - weigh(down)).detach()) / (2 * h)
        assert float(neurons[0].sum()) == pytest.approx(difference, rel=1e-4, abs=1e-6)


# ---- the start ------------------------------------------------------------------------------------------------------


@some
@given(blueprints(), st.sampled_from([1.0, 0.1]))
def test_weights_start_within_the_bounds_of_their_fan_in(blueprint: Blueprint, scale: float) -> None:
    network = VisibleNetwork(blueprint, 2, Architecture(initial_scale=scale, initial_norm_scale=scale / 2))
    width = blueprint.nodes.set_index("id")["width"]
    reads = blueprint.edges.assign(n=width[blueprint.edges["source"]].to_numpy()).groupby("target")["n"].sum()
    h = network.hierarchy
    for number, weight in SlowNetwork(network, blueprint).edge_blocks():
        assert weight.abs().max() <= scale / np.sqrt(reads[blueprint.edges["target"][number]]) + 1e-6
    for term in blueprint.terms["id"]:
        assert h.bias[0, h.rows(term)].abs().max() <= scale / np.sqrt(reads[term]) + 1e-6
    assert (h.scale == scale / 2).all()
    assert not h.shift.any()


@pytest.fixture
def broad() -> Blueprint:
    """Fifty genes on either of two roots, one of which also reads the other's child."""
    genes = [f"g{i}" for i in range(50)]
    links = [("low", "left"), ("low", "right")]
    pairs = [(gene, root) for gene in genes for root in ("left", "right")] + [("g0", "low"), ("g1", "low")]
    return Knowledge(links, pairs, genes).compile(width=8)


def test_weights_fill_their_bounds(broad: Blueprint) -> None:
    torch.manual_seed(0)
    blocks = SlowNetwork(VisibleNetwork(broad, 1), broad).edge_blocks()
    weight = torch.cat([block.flatten() for i, block in blocks if broad.edges["target"][i] == "left"]).detach()
    bound = 1 / np.sqrt(50 + 8)
    assert 0.95 * bound < float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert abs(float(weight.mean())) < 0.1 * bound


def test_the_same_seed_gives_the_same_network_and_another_seed_another(broad: Blueprint) -> None:
    def start(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return VisibleNetwork(broad, 1).predict(torch.ones(3, 50))

    assert torch.equal(start(4), start(4))
    assert not torch.allclose(start(4), start(5))


def test_one_of_several_networks_can_be_drawn_anew(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 1, networks=3)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    network.reset_parameters(1)
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter[[0, 2]], before[name][[0, 2]])
        if not name.endswith(("scale", "shift")):
            assert not torch.equal(parameter[1], before[name][1])


def test_several_roots_are_all_read(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 3)
    assert network.readout.n_read == 16
    assert network.term_slices() == {"low": slice(0, 8), "left": slice(8, 16), "right": slice(16, 24)}
    assert network.eval()(torch.ones(2, 50)).hidden.shape == (24, 2)


# ---- edges with rules -----------------------------------------------------------------------------------------------


def ruled(blueprint: Blueprint, **columns: object) -> Blueprint:
    return replace(blueprint, edges=blueprint.edges.assign(**columns))


def test_signs_hold_and_fixed_weights_stay_whatever_the_optimiser_does(broad: Blueprint) -> None:
    n = len(broad.edges)
    sign = np.resize([1, -1, 0], n)
    weight = np.where(np.arange(n) % 5 == 0, np.where(sign == 0, 1, sign) * 0.7, np.nan)
    blueprint = ruled(broad, sign=sign, weight=weight, trainable=np.arange(n) % 10 != 0)
    setting = Setting(blueprint, Architecture(), 1)
    torch.manual_seed(0)
    network = VisibleNetwork(blueprint, 1)
    optimiser = torch.optim.SGD(network.parameters(), lr=2.0)
    for seed in range(5):
        optimiser.zero_grad()
        network(setting.given(20, seed)["x"].float()).outputs.square().sum().backward()
        optimiser.step()
    used = network.rules.weights_of(network.hierarchy)
    slow = SlowNetwork(network, blueprint)
    place = {"input_weight": used.input_values, "link_weight": used.link_values}
    with torch.no_grad():  # read the weights in use where the free ones were
        network.hierarchy.input_weight.copy_(place["input_weight"])
        network.hierarchy.link_weight.copy_(place["link_weight"])
    for number, block in slow.edge_blocks():
        edge = blueprint.edges.iloc[number]
        assert not edge["sign"] or (block * edge["sign"] >= 0).all()
        if not edge["trainable"]:
            assert torch.equal(block, torch.full_like(block, edge["weight"]))


def test_preset_weights_are_where_the_edge_starts(broad: Blueprint) -> None:
    weight = np.where(np.arange(len(broad.edges)) % 2 == 0, 0.25, np.nan)
    blueprint = ruled(broad, weight=weight)
    for number, block in SlowNetwork(VisibleNetwork(blueprint, 1), blueprint).edge_blocks():
        assert (block == 0.25).all() == (number % 2 == 0)


def test_a_fixed_edge_without_a_weight_is_refused(broad: Blueprint) -> None:
    first = broad.edges.iloc[0]
    with pytest.raises(FitError, match=f"{first['source']} -> {first['target']} is fixed but has no weight"):
        VisibleNetwork(ruled(broad, trainable=False), 1)


def test_a_weight_that_contradicts_its_sign_is_refused(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="contradicts its sign"):
        VisibleNetwork(ruled(broad, weight=-0.5, sign=1), 1)


# ---- shared rows, several networks ----------------------------------------------------------------------------------


@some
@given(networks(), st.booleans(), st.data())
def test_rows_that_samples_share_are_the_batch_written_out(
    setting: Setting, training: bool, data: st.DataObject
) -> None:
    if setting.n_covariates and setting.architecture.covariates_at == "genes":
        setting = replace(setting, n_covariates=0)
    batch = 9
    index = st.lists(st.integers(0, 3), min_size=batch, max_size=batch)
    rows = {name: torch.tensor(data.draw(index)) for name in ("genes", *setting.architecture.blocks)}
    counts = torch.tensor([[1.0] * (batch - 2) + [0.0, 0.0]], dtype=torch.float64)
    short, long = setting.network().train(training), setting.network().train(training)
    tensors = setting.given(4)
    if setting.n_covariates:
        tensors["covariates"] = setting.given(batch)["covariates"]
    own = {"covariates": torch.arange(batch), "x": rows["genes"], **rows}
    written = {name: tensor[own[name]] for name, tensor in tensors.items()}
    kept = {name: tensor[: batch - 2] for name, tensor in written.items()}
    shared = short(setting.inputs(tensors, rows={n: r[None] for n, r in rows.items()}, counts=counts))
    straight = long(setting.inputs(kept))
    close(shared.outputs[: batch - 2], straight.outputs)
    assert shared.hidden.shape[1] == 4
    close(shared.hidden[:, rows["genes"]][:, : batch - 2], straight.hidden)
    loss, other = weigh(shared.outputs[: batch - 2]), weigh(straight.outputs)
    if straight.auxiliary is not None:
        close(shared.auxiliary[:, :, : batch - 2], straight.auxiliary)
        loss = loss + weigh(shared.auxiliary[:, :, : batch - 2].tanh())
        other = other + weigh(straight.auxiliary.tanh())
    found, wanted = gradients(short, {}, loss), gradients(long, {}, other)
    largest = max(float(g.abs().max()) for g in wanted.values() if g.numel())
    for name, gradient in wanted.items():
        close(found[name], gradient, largest)
    for a, b in zip(short.buffers(), long.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


@some
@given(networks(), st.booleans())
def test_each_of_several_networks_is_the_network_alone(setting: Setting, training: bool) -> None:
    dropped = dict.fromkeys(("dropout", "gene_dropout", "term_dropout", "edge_dropout"), 0.3)
    setting = replace(setting, architecture=replace(setting.architecture, **dropped))
    alone = [setting.network(seed).train(training) for seed in range(2)]
    together = VisibleNetwork(
        setting.blueprint, setting.n_outputs, setting.architecture, n_covariates=setting.n_covariates,
        block_sizes={name: 3 + len(name) for name in setting.architecture.blocks}, link=setting.link, networks=2,
    ).double().train(training)  # fmt: skip
    with torch.no_grad():
        for name, parameter in together.named_parameters():
            parameter.copy_(torch.cat([one.get_parameter(name) for one in alone]))
        for name, buffer in together.named_buffers():
            if name.endswith("running"):
                buffer.copy_(torch.cat([one.get_buffer(name) for one in alone], dim=1))
    assert together.n_parameters() == alone[0].n_parameters()
    each = [setting.given(7, seed) for seed in range(2)]
    stacked = {name: torch.stack([tensors[name] for tensors in each]) for name in each[0]}
    blocks = {name: stacked[name] for name in setting.architecture.blocks}
    seeds = np.array([5, 9])
    out = together(Inputs(stacked["x"], blocks, stacked.get("covariates")), seeds)
    for r, one in enumerate(alone):
        own = one(setting.inputs(each[r]), seeds[r : r + 1])
        close(out.outputs[r], own.outputs)
        close(out.hidden[r], own.hidden)
        if own.auxiliary is not None:
            close(out.auxiliary[r], own.auxiliary)


@some
@given(networks(), st.booleans())
def test_sparse_rows_are_the_tensor_that_they_stand_for(setting: Setting, training: bool) -> None:
    network, other = (setting.network().train(training) for _ in range(2))
    tensors = setting.given()
    tensors["x"] = tensors["x"] * (tensors["x"] > 1)
    few = SparseRows.take(sparse.csr_matrix(tensors["x"].numpy()), np.arange(6)[None])
    given = setting.inputs(tensors)
    close(network(replace(given, genes=few)).outputs, other(given).outputs)


# ---- what is refused, and what is saved -----------------------------------------------------------------------------


def test_another_number_of_features_is_an_error_that_gives_both(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="reads 50 features, the data have 49"):
        VisibleNetwork(broad, 1)(torch.ones(4, 49))
    with pytest.raises(FitError, match="reads 50 features for each of 2 networks, the data have 50 for 1"):
        VisibleNetwork(broad, 1, networks=2)(torch.ones(4, 50))


def test_covariates_and_blocks_that_do_not_fit_are_refused(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="reads 0 columns of covariates, the data have 2"):
        VisibleNetwork(broad, 1)(Inputs(torch.ones(1, 4, 50), covariates=torch.ones(1, 4, 2)))
    with pytest.raises(FitError, match="blocks"):
        VisibleNetwork(broad, 1, Architecture(blocks={"drug": (3,)}))
    network = VisibleNetwork(broad, 1, Architecture(covariates_at="genes"), n_covariates=1)
    rows = {"genes": torch.zeros(1, 4, dtype=torch.int64)}
    with pytest.raises(FitError, match="no rows to share"):
        network(Inputs(torch.ones(1, 1, 50), covariates=torch.ones(1, 4, 1), rows=rows))


@pytest.mark.parametrize("n_outputs", [0, -2])
def test_a_network_without_outputs_is_refused(broad: Blueprint, n_outputs: int) -> None:
    with pytest.raises(FitError, match="at least one output"):
        VisibleNetwork(broad, n_outputs)


def test_a_blueprint_without_inputs_is_refused(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="at least one input"):
        VisibleNetwork(replace(broad, inputs=broad.inputs.iloc[:0]), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout = 1.0 is not a share"),
        ({"edge_dropout": -0.1}, "edge_dropout = -0.1 is not a share"),
        ({"readout": "joined", "heads": "none"}, 'heads = "none"'),
        ({"readout": "heads"}, "belong together"),
        ({"heads": "layer"}, "belong together"),
        ({"readout": "heads", "heads": "layer", "blocks": {"drug": (2,)}}, "no place for further blocks"),
        ({"dropout_before_activation": True, "norm": "after"}, "dropout_before_activation"),
        ({"blocks": {"drug": ()}}, "The block drug"),
        ({"blocks": {"drug": (4, 0)}}, "The block drug"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(FitError, match=message):
        Architecture(**options)


def test_genes_with_several_features_need_their_layer(broad: Blueprint) -> None:
    twice = replace(broad, inputs=pd.concat([broad.inputs, broad.inputs.assign(modality="b")], ignore_index=True))
    with pytest.raises(FitError, match="need a gene layer"):
        VisibleNetwork(twice, 1, Architecture(gene_layer=False))


def test_dropout_silences_inputs_in_training_only(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 1, Architecture(dropout=0.5))
    x = torch.ones(4, 50)
    plain = VisibleNetwork(broad, 1)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval().predict(x), plain.eval().predict(x))
    network.train()
    torch.manual_seed(0)
    first = network(x).outputs
    assert not torch.allclose(first, network(x).outputs)
    torch.manual_seed(0)
    assert torch.equal(network(x).outputs, first)


def test_a_network_moves_between_precisions_and_keeps_its_output(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2).eval()
    x = torch.randn(4, 50)
    single = network.predict(x)
    torch.testing.assert_close(network.double().predict(x.double()).float(), single, rtol=1e-4, atol=1e-5)


def test_the_state_holds_parameters_and_running_statistics_only(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2)
    expected = {name for name, _ in network.named_parameters()} | {"hierarchy.running"}
    assert set(network.state_dict()) == expected
    torch.manual_seed(99)
    twin = VisibleNetwork(broad, 2)
    twin.load_state_dict(network.state_dict())
    x = torch.randn(3, 50)
    assert torch.equal(network.eval().predict(x), twin.eval().predict(x))


def test_a_prediction_from_nan_is_nan(broad: Blueprint) -> None:
    for activation in ("tanh", "relu", "sigmoid"):
        network = VisibleNetwork(broad, 1, Architecture(activation=activation)).eval()
        x = torch.randn(4, 50)
        x[2, 7] = float("nan")
        assert network.predict(x)[:, 0].isnan().tolist() == [False, False, True, False]


def test_under_autocast_predictions_are_close(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2)
    x = torch.randn(16, 50)
    straight = network(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(x)
        loss = out.outputs.float().square().sum() + out.auxiliary.float().square().sum()
    loss.backward()
    torch.testing.assert_close(out.outputs.float(), straight.outputs, rtol=0.05, atol=0.05)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.slow
def test_a_compiled_network_computes_the_same(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2)
    compiled = torch.compile(network)
    x, seeds = torch.randn(16, 50), np.array([3])
    found, expected = compiled(x, seeds), network(x, seeds)
    torch.testing.assert_close(found.outputs, expected.outputs, rtol=1e-5, atol=1e-5)
    found.outputs.square().sum().backward()
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    expected.outputs.square().sum().backward()
    for a, b in zip(gradients, (p.grad for p in network.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
