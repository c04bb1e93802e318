"""Batches of one or more fits, and rows that several samples share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kgreg.fit import Preprocessing, Readings, TrainSettings
from kgreg.fit.feeding import Batch, Feed, ShuffledBatches, WholeInPieces, count_steps
from kgreg.fit.fitted import build_network
from kgreg.fit.module import VisibleModule
from kgreg.fit.readings import Scaled, number_rows
from kgreg.nn.architecture import Architecture
from kgreg.nn.hierarchy import SparseRows
from tests.small_data import small_blueprint, small_samples, with_alterations, with_extras

BLUEPRINT = small_blueprint()


# ---- the order of rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "size", "expected"),
    [
        ([10], 4, [[3], [3], [4]]),
        ([9], 4, [[3], [3], [3]]),
        ([8], 4, [[4], [4]]),
        ([3], 64, [[3]]),
        ([3], 2, [[3]]),
        ([1], 2, [[1]]),
        ([10, 8, 5], 4, [[5, 4, 2], [5, 4, 3]]),
    ],
)
def test_samples_are_dealt_evenly_to_the_steps(sizes: list[int], size: int, expected: list[list[int]]) -> None:
    batches = ShuffledBatches(sizes, count_steps(sizes, size), list(range(len(sizes))))
    drawn = list(batches)
    assert [[len(own) for own in step] for step in drawn] == expected
    assert len(batches) == len(expected)


@given(st.lists(st.integers(2, 300), min_size=1, max_size=5), st.integers(2, 64))
def test_an_epoch_sees_every_row_of_every_fit_once_and_no_batch_of_one(sizes: list[int], size: int) -> None:
    steps = count_steps(sizes, size)
    drawn = list(ShuffledBatches(sizes, steps, [7] * len(sizes)))
    for r, n in enumerate(sizes):
        own = [step[r] for step in drawn]
        assert min(map(len, own)) >= 2
        assert max(map(len, own)) - min(map(len, own)) <= 1
        assert sorted(np.concatenate(own)) == list(range(n))
    if min(sizes) >= 2 * -(-max(sizes) // size):
        assert max(len(own) for step in drawn for own in step) <= size


def test_the_order_of_rows_follows_from_seed_and_epoch_and_not_from_the_other_fits() -> None:
    def rows(seeds: list[int], epoch: int) -> list[list[list[int]]]:
        batches = ShuffledBatches([30 + r for r in range(len(seeds))], 5, seeds)
        batches.set_epoch(epoch)
        return [[own.tolist() for own in step] for step in batches]

    assert rows([1], 4) == rows([1], 4)
    assert rows([1], 4) != rows([1], 5)
    assert rows([1], 4) != rows([2], 4)
    assert [step[:1] for step in rows([1, 9], 4)] == rows([1], 4)


def test_the_stopping_part_is_read_whole_in_order() -> None:
    drawn = list(WholeInPieces([10, 3, 1], 4))
    assert len(drawn) == 3
    for r, n in enumerate([10, 3, 1]):
        assert np.concatenate([step[r] for step in drawn]).tolist() == list(range(n))


# ---- what a batch holds ----------------------------------------------------------------------------------------------


def dense(x: torch.Tensor | SparseRows) -> torch.Tensor:
    return x if isinstance(x, torch.Tensor) else x.dense()


def written_out(batch: Batch, name: str) -> torch.Tensor:
    """Return a table of the batch with a row a sample, ``[R, B, size]``."""
    given = batch.inputs
    table = dense(given.genes if name == "genes" else given.blocks[name])
    index = given.rows.get(name)
    return table if index is None else torch.stack([own[at] for own, at in zip(table, index, strict=True)])


def scaled_samples(kind: str, n: int) -> tuple[Scaled, np.ndarray]:
    samples = with_extras(with_alterations(small_samples("regression", n=n)) if kind == "few" else small_samples(n=n))
    readings = Readings.of(samples, BLUEPRINT)
    return Preprocessing.fit(readings, "auto").apply(readings), samples.target


@pytest.mark.parametrize("kind", ["few", "many"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_of_several_fits_holds_the_rows_of_each(kind: str, shared: bool) -> None:
    parts = [scaled_samples(kind, n) for n in (30, 41, 17)]
    plain = [one for one, _ in parts]
    feed = Feed([one.with_shared_rows() if shared else one for one in plain], [target for _, target in parts])
    rows = [np.array([3, 3, 0]), np.array([40, 1, 2, 5, 40]), np.array([16])]
    batch = feed[rows]
    assert batch.sizes == (3, 5, 1)
    assert batch.inputs.counts is not None
    assert batch.inputs.counts.tolist() == [[1] * 3 + [0] * 2, [1] * 5, [1] + [0] * 4]
    for r, own in enumerate(rows):
        for name, table in {"genes": plain[r].x, **plain[r].blocks}.items():
            expected = table[own] if isinstance(table, np.ndarray) else table[own].toarray()
            np.testing.assert_array_equal(written_out(batch, name)[r, : len(own)], expected)
        assert batch.inputs.covariates is not None
        assert plain[r].covariates is not None
        np.testing.assert_array_equal(batch.inputs.covariates[r, : len(own)], plain[r].covariates[own])
        np.testing.assert_array_equal(batch.target[r, : len(own)], parts[r][1][own])
    assert feed[[own[:1] for own in rows]].inputs.counts is None, "nothing is filled up"


def test_few_values_are_kept_as_such_and_many_are_not() -> None:
    assert sparse.issparse(scaled_samples("few", 40)[0].x)
    assert isinstance(scaled_samples("many", 40)[0].x, np.ndarray)
    mixed = Feed([scaled_samples(kind, 20)[0] for kind in ("few", "many")], [np.zeros(20)] * 2)
    genes = mixed[[np.arange(20)] * 2].inputs.genes
    assert isinstance(genes, torch.Tensor)
    np.testing.assert_array_equal(genes[0], scaled_samples("few", 20)[0].x.toarray())


# ---- shared rows -----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=3, max_size=3), min_size=1, max_size=12))
def test_equal_rows_get_equal_numbers_in_the_order_of_their_first(rows: list[list[float]]) -> None:
    seen: list[list[float]] = []
    for row in rows:
        if row not in seen:
            seen.append(row)
    table = np.array(rows, dtype=np.float32)
    expected = [seen.index(row) for row in rows]
    assert number_rows(table).tolist() == expected
    assert number_rows(sparse.csr_matrix(table)).tolist() == expected
    assert number_rows(np.asfortranarray(table)).tolist() == expected


def test_rows_are_shared_where_enough_of_them_repeat() -> None:
    one, _ = scaled_samples("few", 60)
    shared = one.with_shared_rows()
    assert set(shared.ids) == {"genes", "drug"}
    assert len(set(shared.ids["drug"].tolist())) == 6
    taken = shared.take(np.arange(60)[None])
    assert taken.genes.shape[1] == len(np.unique(one.x.toarray(), axis=0)) < 60
    assert taken.blocks["drug"].shape[1] == 6
    assert set(scaled_samples("many", 60)[0].with_shared_rows().ids) == {"drug"}


ARCHITECTURES = {
    "default": Architecture(blocks={"drug": (5, 2)}),
    "joined": Architecture(blocks={"drug": (5, 2)}, readout="joined", heads="tanh-linear", norm="after"),
    "genes": Architecture(blocks={"drug": (5, 2)}, gene_layer=True, gene_scaling=True, readout="terms"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("kind", ["few", "many"])
def test_shared_rows_give_the_loss_gradients_and_predictions_of_rows_written_out(name: str, kind: str) -> None:
    settings = TrainSettings(architecture=ARCHITECTURES[name])
    parts = [scaled_samples(kind, n) for n in (30, 41)]
    rows = [np.arange(20), np.arange(5, 40)]
    found = []
    for shared in (False, True):
        module = make_module(settings, len(parts))
        scaled = [one.with_shared_rows() if shared else one for one, _ in parts]
        batch = in_double(Feed(scaled, [target.astype(np.float64) for _, target in parts])[rows])
        assert bool(batch.inputs.rows) == shared
        losses = module.losses(module.network(batch.inputs), batch)
        losses.sum().backward()
        gradients = {key: p.grad for key, p in module.network.named_parameters()}
        running = {key: b.clone() for key, b in module.network.named_buffers() if key.endswith("running")}
        module.eval()
        outputs = module.network(batch.inputs).outputs
        found.append((losses, gradients, running, [outputs[r, : len(own)] for r, own in enumerate(rows)]))
    for plain, shared_one in zip(*found, strict=True):
        torch.testing.assert_close(shared_one, plain, rtol=1e-7, atol=1e-10)


def in_double(batch: Batch) -> Batch:
    """Return the batch in double precision, in which rounding does not blur what is compared."""
    given = batch.inputs
    assert given.covariates is not None
    genes = given.genes if isinstance(given.genes, SparseRows) else given.genes.double()
    blocks = {name: x if isinstance(x, SparseRows) else x.double() for name, x in given.blocks.items()}
    counts = None if given.counts is None else given.counts.double()
    inputs = replace(given, genes=genes, blocks=blocks, covariates=given.covariates.double(), counts=counts)
    return replace(batch, inputs=inputs)


def make_module(settings: TrainSettings, networks: int) -> VisibleModule:
    samples = with_extras(small_samples("regression"))
    encoder = Preprocessing.fit(Readings.of(samples, BLUEPRINT), "auto").encoder
    torch.manual_seed(0)
    network = build_network(BLUEPRINT, settings, "regression", 1, encoder, {"drug": 10}, networks)
    return VisibleModule(network, "regression", settings, [None] * networks, list(range(networks))).double().train()


def test_where_rows_may_be_shared() -> None:
    assert TrainSettings().shares_rows
    for options in (
        {"dropout": 0.1},
        {"gene_dropout": 0.1},
        {"term_dropout": 0.1},
        {"edge_dropout": 0.1},
        {"covariates_at": "genes"},
        {"covariates_at": "terms"},
    ):
        assert not TrainSettings(architecture=Architecture(**options)).shares_rows
