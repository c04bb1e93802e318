"""Sequence networks: strands, unknown letters, windows, blocks, named motifs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.readout import Link
from kgreg.nn.sequence import network as sequence_network
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.encoding import one_hot, reverse_complement
from kgreg.nn.sequence.layers.motifs import information, most_informative
from kgreg.nn.sequence.network import SequenceNetwork
from kgreg.nn.sequence.windows import augmented, windows
from tests.nn.sequence.cases import PLAIN, codes, inputs, matrices, motif_blueprint, squares

CONV: list[dict[str, Any]] = [{"kind": "conv", "filters": 6, "width": 5, "norm": True}, {"kind": "pool", "width": 3}]
LAYERS = [*CONV, {"kind": "conv", "filters": 4, "width": 3, "activation": "gelu"}, {"kind": "pool", "how": "max"}]
WIDTHS = {"MA1.1": 9, "MA2.1": 5, "MA3.1": 14}
MOTIFS: list[dict[str, Any]] = [
    {"kind": "motifs", "filters": 8, "width": 12, "share": 0.5, "encoding": "log-odds"},
    {"kind": "pool", "width": 4},
    {"kind": "recurrent", "units": 3},
    {"kind": "pool", "how": "mean"},
]


def network_of(
    layers: list[dict[str, Any]] = LAYERS, n_outputs: int = 3, link: Link = "softmax", **options: Any
) -> SequenceNetwork:
    torch.manual_seed(0)
    blueprint = motif_blueprint(WIDTHS) if layers[0]["kind"] == "motifs" else PLAIN
    covariates = ["c"] * options.pop("covariates", 0)
    built = SequenceDesign(layers=layers, **options).build(blueprint, n_outputs, covariates=covariates, link=link)
    return built.eval()


def predicted(outputs: Tensor, link: Link) -> Tensor:
    return {"softmax": lambda: outputs.softmax(1), "sigmoid": outputs.sigmoid, "identity": lambda: outputs}[link]()


@pytest.mark.parametrize("link", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("strands", ["both", "max"])
def test_a_sequence_and_its_other_strand_are_predicted_alike_to_the_last_bit(strands: str, link: Link) -> None:
    network = network_of(strands=strands, link=link)
    sequences = codes(9)
    there, back = network.predict(inputs(sequences)), network.predict(inputs(reverse_complement(sequences)))
    assert torch.equal(there, back)


@pytest.mark.parametrize("link", ["softmax", "sigmoid", "identity"])
def test_both_strands_are_averaged_as_predictions(link: Link) -> None:
    both, one = network_of(strands="both", link=link).double(), network_of(strands="one", link=link).double()
    one.load_state_dict(both.state_dict())
    sequences = codes(5)
    single = [predicted(one.predict(inputs(s)), link) for s in (sequences, reverse_complement(sequences))]
    torch.testing.assert_close(predicted(both.predict(inputs(sequences)), link), (single[0] + single[1]) / 2)


def test_the_larger_of_both_strands_is_taken_before_the_head() -> None:
    network = network_of(strands="max")
    sequences = codes(5)
    read = [network.layers(one_hot(s), {}) for s in (sequences, reverse_complement(sequences))]
    torch.testing.assert_close(network.predict(inputs(sequences)), network.head(torch.maximum(*read)))


def test_unknown_letters_add_nothing_or_a_quarter_of_each() -> None:
    conv = [{"kind": "conv", "filters": 3, "width": 4, "activation": "none"}, {"kind": "pool", "how": "mean"}]
    zero, quarter = (network_of(conv, strands="one", unknown=rule) for rule in ("zero", "quarter"))
    nothing = torch.full((1, 10), 4, dtype=torch.uint8)
    bias, weight = zero.first.bias, zero.first.weight
    torch.testing.assert_close(zero.compute(zero.given(inputs(nothing))).extra[0], bias)
    torch.testing.assert_close(quarter.compute(quarter.given(inputs(nothing))).extra[0], bias + weight.sum((1, 2)) / 4)


def test_padding_lets_filters_see_the_ends_in_full() -> None:
    conv = [{"kind": "conv", "filters": 3, "width": 4}, {"kind": "pool"}]
    padded, plain = network_of(conv, pad=3, unknown="quarter"), network_of(conv, unknown="quarter")
    sequences = codes(4)
    wider = nn.functional.pad(sequences, (3, 3), value=4)
    torch.testing.assert_close(padded.predict(inputs(sequences)), plain.predict(inputs(wider)))
    torch.testing.assert_close(padded.from_one_hot(one_hot(sequences, "quarter")), padded.predict(inputs(sequences)))


@pytest.mark.parametrize("strands", ["one", "both", "max"])
@pytest.mark.parametrize("layers", [LAYERS, MOTIFS], ids=["plain", "motifs"])
def test_one_hot_sequences_give_the_same_and_can_be_derived(layers: list[dict[str, Any]], strands: str) -> None:
    network = network_of(layers, strands=strands).double()
    sequences = codes(3)
    x = one_hot(sequences, dtype=torch.float64).requires_grad_(True)
    outputs = network.from_one_hot(x)
    torch.testing.assert_close(outputs, network.predict(inputs(sequences)))
    (gradient,) = torch.autograd.grad(outputs[:, 0].sum(), x)
    step = 1e-6
    moved = x.detach().clone()
    moved[1, 2, 30] += step
    slope = (network.from_one_hot(moved) - outputs).detach()[1, 0] / step
    assert float(slope) == pytest.approx(float(gradient[1, 2, 30]), abs=1e-5)


def test_plain_layers_can_be_taken_out() -> None:
    network = network_of(strands="one", pad=2)
    stack = network.stack()
    assert stack is not None
    x = one_hot(codes(4))
    torch.testing.assert_close(stack(x), network.from_one_hot(x))
    assert stack[1] is network.first
    assert network_of(MOTIFS).stack() is None
    assert network_of(strands="max").stack() is None
    assert network_of([{"kind": "pool", "how": "attention"}]).stack() is None


# ---- windows ---------------------------------------------------------------------------------------------------------


def test_windows_lie_in_the_middle_and_hold_nothing_beyond_the_ends() -> None:
    sequence = torch.tensor([[0, 1, 2, 3, 0, 1, 2]], dtype=torch.uint8)
    assert windows(sequence, 3).tolist() == [[2, 3, 0]]
    assert windows(sequence, 4).tolist() == [[1, 2, 3, 0]]
    assert windows(sequence, 5, torch.tensor([2])).tolist() == [[3, 0, 1, 2, 4]]
    assert windows(sequence, 7, torch.tensor([-2])).tolist() == [[4, 4, 0, 1, 2, 3, 0]]
    assert windows(sequence, 9).tolist() == [[4, 0, 1, 2, 3, 0, 1, 2, 4]]


def test_augmentation_draws_every_shift_and_either_strand() -> None:
    torch.manual_seed(0)
    one = codes(1, 30, unknown=False)
    found = augmented(one.expand(400, -1), 20, 2, 0.5)
    expected = {tuple(windows(one, 20, torch.tensor([s]))[0].tolist()) for s in range(-2, 3)}
    expected |= {tuple(reverse_complement(torch.tensor(w, dtype=torch.uint8)).tolist()) for w in expected}
    assert {tuple(row.tolist()) for row in found} == expected
    assert torch.equal(augmented(one, 30, 0, 0.0), one)


def test_training_turns_and_shifts_but_evaluation_does_not() -> None:
    network = network_of(jitter=4, turned=0.5, length=40, strands="one")
    given = network.given(inputs(codes(8, 50)))
    assert torch.equal(network.compute(given).outputs, network.compute(given).outputs)
    network.layers.eval()
    network.training = True
    assert not torch.equal(network.compute(given).outputs, network.compute(given).outputs)


def test_a_network_of_fixed_length_reads_the_middle_and_refuses_less() -> None:
    network = network_of(length=40)
    sequences = codes(3, 47)
    torch.testing.assert_close(network.predict(inputs(sequences)), network.predict(inputs(sequences[:, 3:43])))
    torch.testing.assert_close(network.predict(inputs(sequences)), network.from_one_hot(one_hot(sequences)))
    with pytest.raises(FitError, match="reads 40 positions, the sequences have 39"):
        network.predict(inputs(codes(3, 39)))
    with pytest.raises(FitError, match="reads 40 positions, the sequences have 39"):
        network.from_one_hot(one_hot(codes(3, 39)))
    with pytest.raises(FitError, match="do not fit into 3 positions"):
        network_of().predict(inputs(codes(2, 3)))
    with pytest.raises(FitError, match="the data have none"):
        network.predict(replace(inputs(codes(2, 40)), sequences=None))


def test_pieces_give_what_one_pass_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(MOTIFS)
    read = inputs(codes(11))
    given = network.given(read)

    def derived() -> Tensor:
        out, levels = network.trace(read)
        return torch.autograd.grad(out.outputs[:, 0].sum(), levels)[0]

    with torch.no_grad():
        whole = network.compute(given)
    slope = derived()
    monkeypatch.setattr(sequence_network, "KEPT", 3000)
    with torch.no_grad():
        parts = network.compute(given)
    torch.testing.assert_close(derived(), slope)
    for a, b in zip(
        (whole.outputs, *whole.levels, whole.extra), (parts.outputs, *parts.levels, parts.extra), strict=True
    ):
        torch.testing.assert_close(a, b)


# ---- what is read beside the sequence --------------------------------------------------------------------------------

JOINED: list[dict[str, Any]] = [
    *LAYERS,
    {"kind": "join", "of": "cpg", "columns": 4, "layers": [
        {"kind": "conv", "filters": 3, "width": 1},
        {"kind": "recurrent", "cell": "gru", "units": 2, "gives": "last"},
    ]},
    {"kind": "dense", "units": 5},
]  # fmt: skip


def test_a_block_of_cells_joins_the_sequence() -> None:
    network = network_of(JOINED, strands="one")
    sequences, cells = codes(4), torch.randn(4, 3 * 4)
    join, dense = network.layers.layers[4], network.layers.layers[5]
    hidden = one_hot(sequences)
    for layer in network.layers.layers[:4]:
        hidden = layer(hidden)
    conv, gru = join.stack.layers[0][0], join.stack.layers[1].cell
    each = torch.stack([torch.relu(cells[:, 4 * c : 4 * c + 4] @ conv.weight[:, :, 0].T + conv.bias) for c in range(3)])
    _, last = gru(each.transpose(0, 1))
    expected = network.head(dense(torch.cat([hidden, last[0], last[1]], dim=1)))
    torch.testing.assert_close(network.predict(inputs(sequences, blocks={"cpg": cells})), expected)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ({}, "reads the block 'cpg', which the data do not have"),
        ({"cpg": torch.zeros(4, 6)}, "has 6 columns, which is no multiple of 4"),
        ({"cpg": torch.zeros(4, 8), "drug": torch.zeros(4, 2)}, "No layer reads the blocks drug"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(blocks: dict[str, Tensor], said: str) -> None:
    with pytest.raises(FitError, match=said):
        network_of(JOINED).predict(inputs(codes(4), blocks=blocks))


@pytest.mark.parametrize(
    "layers", [LAYERS, [*LAYERS, {"kind": "join"}, {"kind": "dense", "units": 4}]], ids=["head", "join"]
)
def test_covariates_are_read_at_the_head_or_where_they_join(layers: list[dict[str, Any]]) -> None:
    network = network_of(layers, covariates=2)
    sequences, covariates = codes(3), torch.randn(3, 2)
    outputs = network.predict(inputs(sequences, covariates))
    assert not torch.equal(outputs, network.predict(inputs(sequences, covariates + 1)))
    torch.testing.assert_close(network.from_one_hot(one_hot(sequences), covariates), outputs)
    assert network.head.in_features == (6 if len(layers) == 4 else 4)


# ---- motifs ----------------------------------------------------------------------------------------------------------


def test_filters_start_from_motifs_at_a_place_with_free_ends() -> None:
    network = network_of(MOTIFS)
    assert network.term_ids == list(WIDTHS)
    weight = network.first.weight.detach().numpy()
    for row, (name, counts) in enumerate(matrices(WIDTHS).items()):
        best = most_informative(counts, 12, 1.0, name)
        p = (best + 0.25) / (best.sum(axis=1, keepdims=True) + 1)
        odds = np.log2(p / 0.25).T
        places = [
            s for s in range(12 - len(best) + 1) if np.allclose(weight[row, :, s : s + len(best)], odds, atol=1e-5)
        ]
        assert len(places) == 1
        assert len(best) > 6 or 3 <= places[0] <= 12 - len(best) - 3
    assert np.abs(weight[3:]).max() < 0.2  # the others are torch's
    assert ((network.first.bias[:3] <= 0) & (network.first.bias[:3] >= -1)).all()


def test_a_motif_wider_than_the_filters_is_cut_to_its_best_window(caplog: pytest.LogCaptureFixture) -> None:
    counts = np.full((6, 4), 10.0)
    counts[2:4, 0] = 100
    assert np.array_equal(most_informative(counts, 2, 1.0, "x"), counts[2:4])
    assert information(counts, 0.0, "x")[0] == 0
    with caplog.at_level("INFO"):
        network_of(MOTIFS)
    assert "1 motifs are wider than the filters and were cut to 12 positions" in caplog.text


def test_more_motifs_than_places_are_an_error_or_the_best_ones() -> None:
    few = [{**MOTIFS[0], "filters": 4}, *MOTIFS[1:]]
    with pytest.raises(FitError, match=r"Layer 1 \(motifs\): 3 motifs have only 2 filters"):
        network_of(few)
    network = network_of([{**few[0], "choose": "information"}, *few[1:]])
    content = {name: information(counts, 1.0, name).sum() for name, counts in matrices(WIDTHS).items()}
    worst = min(content, key=lambda name: content[name])
    assert network.term_ids == [name for name in WIDTHS if name != worst]
    with pytest.raises(FitError, match="the guide has no motifs"):
        SequenceDesign(layers=MOTIFS).build(PLAIN, 2)


@pytest.mark.parametrize("strands", ["one", "both", "max"])
def test_the_derivative_of_a_motif_is_that_of_a_common_factor_of_its_answers(strands: str) -> None:
    network = network_of(MOTIFS, strands=strands).double()
    given = inputs(codes(4))
    out, levels = network.trace(given)
    torch.testing.assert_close(out.outputs, network.predict(given), rtol=0, atol=0)
    (slope,) = torch.autograd.grad(out.outputs[:, 1].sum(), levels)
    torch.testing.assert_close(network(given).hidden, levels[0].detach().t())
    step = 1e-6
    first = network.layers.layers[0]
    for m in range(3):
        handle = first.register_forward_hook(
            lambda module, read, found, m=m: found * (1 + step * (torch.arange(8) == m).double())[:, None]
        )
        moved = network.predict(given)
        handle.remove()
        change = (moved - out.outputs.detach())[:, 1] / step
        torch.testing.assert_close(change, (levels[0] * slope)[:, m].detach(), rtol=1e-4, atol=1e-6)


def test_frozen_filters_stay() -> None:
    network = network_of([{**MOTIFS[0], "trainable": False}, *MOTIFS[1:]]).train()
    given = network.given(inputs(codes(4)))
    network.loss(network.compute(given), given, torch.zeros(4, 3), squares).backward()
    assert network.first.weight.grad is None
    assert network.first.bias.grad is not None


# ---- penalties -------------------------------------------------------------------------------------------------------


def test_penalties_are_added_and_norms_kept_small() -> None:
    plain, kept = network_of(strands="one"), network_of(strands="one", l2=0.01, activity_l1=0.1, max_norm=0.3)
    given, target = plain.given(inputs(codes(4))), torch.zeros(4, 3)
    passed = kept.compute(given)
    weights = [kept.first.weight, kept.layers.layers[2][0].weight, kept.head.weight]
    expected = squares(passed.outputs.t(), target) + 0.01 * sum(float((w.detach() ** 2).sum()) for w in weights)
    expected = expected + 0.1 * passed.extra.abs().sum() / 4
    torch.testing.assert_close(kept.loss(passed, given, target, squares), expected)
    torch.testing.assert_close(plain.loss(passed, given, target, squares), squares(passed.outputs.t(), target))
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        kept.after_step(0.1)
    for weight, was in zip(weights, before, strict=True):
        for row, old in zip(weight, was, strict=True):
            torch.testing.assert_close(row, old * min(1.0, 0.3 / float(old.norm())))
