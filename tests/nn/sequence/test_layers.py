"""Layers of sequence networks: shapes, slow twins, and what is said of layers that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kgreg.errors import FitError
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.layers import Context, Shape, Stack, read_layers, shapes
from kgreg.nn.sequence.layers.pooling import AttentionPool
from kgreg.nn.sequence.layers.recurrence import RecurrentMap

SMALL = st.integers(1, 4)
CONV = st.builds(
    lambda filters, width, padding, dilation, norm: {
        "kind": "conv", "filters": filters, "width": width, "padding": padding, "dilation": dilation, "norm": norm,
    },
    SMALL, SMALL, st.sampled_from(["valid", "same", "full", 1]), SMALL, st.booleans(),
)  # fmt: skip
POOL = st.builds(
    lambda how, width, stride: {"kind": "pool", "how": how, "width": width, "stride": stride},
    st.sampled_from(["max", "mean", "max-mean"]), SMALL, st.none() | SMALL,
)  # fmt: skip
OTHERS = st.sampled_from(
    [
        {"kind": "pool", "how": "attention", "width": 2},
        {"kind": "recurrent", "units": 3},
        {"kind": "recurrent", "cell": "gru", "units": 2, "bidirectional": False},
        {"kind": "tower", "repeat": 2, "filters_growth": 1.5, "layers": [{"kind": "conv", "filters": 3, "width": 2}]},
        {"kind": "crop", "each": 1},
        {"kind": "norm"},
        {"kind": "dropout", "share": 0.5},
    ]
)
LAST = st.sampled_from(
    [
        [{"kind": "flatten"}, {"kind": "dense", "units": 3, "norm": True}],
        [{"kind": "pool", "how": "max-mean"}],
        [{"kind": "pool", "how": "attention"}, {"kind": "activation", "name": "exp"}],
        [{"kind": "recurrent", "units": 2, "gives": "last"}],
    ]
)


def stack_of(layers: list[dict[str, Any]], length: int | None, channels: int = 4) -> Stack:
    return Stack(read_layers(layers), Shape(channels, length), Context())


@given(st.lists(CONV | POOL | OTHERS, max_size=4), LAST, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_shapes_are_those_that_come_out(layers: list[dict[str, Any]], last: list[dict[str, Any]], length: int) -> None:
    try:
        stack = stack_of([*layers, *last], length)
    except FitError as error:
        refused = error.message
    else:
        refused = ""
    if refused:
        assert refused.startswith("Layer ")
        return
    x = torch.randn(2, 4, length)
    for module, shape in zip(
        stack.layers, shapes(read_layers([*layers, *last]), stack.reads, Context())[1:], strict=True
    ):
        x = module(x, {}) if hasattr(module, "stacks") else module(x)
        assert tuple(x.shape[1:]) == ((shape.channels,) if shape.vector else (shape.channels, shape.positions))


@pytest.mark.parametrize("width", [None, 3])
def test_attention_is_a_softmax_of_every_channel(width: int | None) -> None:
    torch.manual_seed(0)
    pool, x = AttentionPool(4, width).double(), torch.randn(2, 4, 7, dtype=torch.float64)
    nn.init.normal_(pool.weight)
    found = pool(x)
    size = width or 7
    for b in range(2):
        for c in range(4):
            for w in range(7 // size):
                window = x[b, :, w * size : (w + 1) * size].detach().numpy()
                logits = [pool.weight[c].detach().numpy() @ window[:, p] for p in range(size)]
                a = np.exp(logits) / np.exp(logits).sum()
                value = found[b, c] if width is None else found[b, c, w]
                assert float(value.detach()) == pytest.approx(float((a * window[c]).sum()), abs=1e-10)


def test_a_tower_grows_its_dilation_and_adds_what_it_reads() -> None:
    layer = {"kind": "conv", "filters": 4, "width": 3, "padding": "same", "dilation": 2}
    tower = stack_of([{"kind": "tower", "repeat": 3, "residual": True, "dilation_growth": 1.5, "layers": [layer]}], 30)
    convolutions = [part for part in tower.modules() if isinstance(part, nn.Conv1d)]
    assert [conv.dilation for conv in convolutions] == [(2,), (3,), (4,)]  # 2, 3, 4.5 rounded to even
    x = torch.randn(2, 4, 30)
    expected = x
    for conv in convolutions:
        expected = expected + torch.relu(conv(expected))
    torch.testing.assert_close(tower(x, {}), expected)


def test_an_lstm_is_the_equations_with_one_bias_a_gate() -> None:
    torch.manual_seed(1)
    layer, x = RecurrentMap(3, 2, "lstm", False, last=False).double(), torch.randn(1, 3, 5, dtype=torch.float64)
    w, u = (layer.cell.get_parameter(f"weight_{kind}_l0").detach().numpy() for kind in ("ih", "hh"))
    bias = layer.cell.get_parameter("bias_ih_l0").detach().numpy()
    h, c, states = np.zeros(2), np.zeros(2), []
    for t in range(5):
        i, f, g, o = np.split(w @ x[0, :, t].numpy() + u @ h + bias, 4)
        gate = [1 / (1 + np.exp(-z)) for z in (i, f, o)]
        c = gate[1] * c + gate[0] * np.tanh(g)
        h = gate[2] * np.tanh(c)
        states.append(h)
    np.testing.assert_allclose(layer(x)[0].detach().numpy().T, states, atol=1e-12)
    layer.last = True
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), states[-1], atol=1e-12)


def a(kind: str, **keys: Any) -> dict[str, Any]:
    return {"kind": kind, **keys}


def conv(width: int, **keys: Any) -> dict[str, Any]:
    return a("conv", filters=4, width=width, **keys)


#: Layers over 20 positions, and what is said of them.
MISFITS: list[tuple[Any, str]] = [
    ([conv(30)], r"layer 1 \(conv\): filters of width 30 do not fit into 20 positions"),
    ([conv(5, dilation=6)], "width 5 and dilation 6 do not fit into 20"),
    ([a("pool", width=8), a("pool", width=4)], r"layer 2 \(pool\): a window of 4 does not fit into 2"),
    ([a("pool"), conv(2)], r"layer 2 \(conv\): it needs positions"),
    ([a("dense", units=3)], r"layer 1 \(dense\): it reads one vector, but .* 4 channels of 20 positions"),
    ([conv(2)], "the last layer gives 4 channels of 19 positions"),
    ([a("crop", each=10)], r"layer 1 \(crop\): of 20 positions nothing is left"),
    (
        [a("tower", residual=True, layers=[conv(3)])],
        r"layer 1 \(tower\): its layers turn 4 channels of 20 positions into 4 channels of 18",
    ),
    (
        [a("tower", layers=[a("norm"), conv(21)])],
        r"layer 1 \(tower\), in it layer 2 \(conv\): filters of width 21",
    ),
    ([a("pool"), a("join", of="cpg")], r"layer 2 \(join\): the block 'cpg' needs either"),
    ([a("pool", stride=3)], "a stride means nothing without a width"),
    ([a("pool"), a("motifs")], r"layer 2 \(motifs\): motifs are matched with DNA, so this must be the first layer"),
    ([a("kernel")], "layer 1: there is no kind 'kernel'; choose one of conv, motifs"),
    ([{"filters": 3}], "layer 1 has no kind"),
    ([a("conv", filers=3)], "lacks 'filters' and lacks 'width' and has no key 'filers'; did you mean 'filters'"),
    ([a("conv", filters=0, width=3)], r"layer 1 \(conv\) has filters = 0, but it should be greater"),
    ([a("tower", layers=[a("dropout")])], r"layer 1 \(tower\), in it layer 1 \(dropout\) lacks 'share'"),
    ("conv", "is no list of layers"),
]


@pytest.mark.parametrize(("layers", "said"), MISFITS)
def test_layers_that_do_not_fit_are_told_by_their_number(layers: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SequenceDesign(length=20, layers=layers)


def test_flattening_needs_a_length_and_pooling_does_not() -> None:
    with pytest.raises(ValueError, match=r"layer 1 \(flatten\): the length of the sequences must be known"):
        SequenceDesign(layers=[{"kind": "flatten"}])
    assert SequenceDesign(layers=[{"kind": "pool"}]).length is None
