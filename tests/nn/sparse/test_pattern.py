"""The index of a pattern, and what it refuses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from kgreg.errors import FitError
from kgreg.nn.sparse import SparsePattern
from tests.nn.sparse.cases import Case, cases


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_index_and_its_transpose_list_the_edges(case: Case) -> None:
    pattern = case.pattern
    edges = sorted(zip(case.rows.tolist(), case.cols.tolist(), strict=True))
    assert list(zip(pattern.row.tolist(), pattern.col.tolist(), strict=True)) == edges
    by_pointer = [
        (row, int(pattern.col[i])) for row in range(case.n_out) for i in range(pattern.crow[row], pattern.crow[row + 1])
    ]
    assert by_pointer == edges
    transposed = [
        (int(pattern.col_t[i]), col, int(pattern.order_t[i]))
        for col in range(case.n_in)
        for i in range(pattern.crow_t[col], pattern.crow_t[col + 1])
    ]
    assert sorted(place for _, _, place in transposed) == list(range(len(edges)))
    assert all(edges[place] == (row, col) for row, col, place in transposed)
    assert [edges[place] for place in pattern.edge_order] == list(
        zip(case.rows.tolist(), case.cols.tolist(), strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(cases())
def test_dense_matrices_add_up_repeated_edges(case: Case) -> None:
    values = case.view(case.leaf(len(case.rows), dtype=torch.float64, salt=0)).detach()
    torch.testing.assert_close(case.pattern.to_dense(values), case.dense(values))


def test_edges_outside_are_refused_by_name() -> None:
    for edge in ((2, 0), (0, 3), (-1, 0), (0, -1)):
        rows, cols = np.array([[0, 0], edge]).T
        with pytest.raises(FitError, match=rf"Edge 1 \(input {edge[1]} -> output {edge[0]}\) lies outside"):
            SparsePattern(rows, cols, 2, 3)
    with pytest.raises(FitError, match="2 rows, but 1 columns"):
        SparsePattern(np.array([0, 1]), np.array([0]), 2, 3)


def test_the_index_moves_with_its_owner_and_is_not_saved() -> None:
    owner = torch.nn.Module()
    owner.pattern = SparsePattern(np.array([0, 1]), np.array([1, 0]), 2, 2)
    assert owner.state_dict() == {}
    on_meta = copy.deepcopy(owner).to("meta").double()
    assert {(tensor.device.type, tensor.dtype) for tensor in on_meta.pattern.index} == {("meta", torch.int64)}
    assert "2 -> 2, 2 edges" in repr(owner)
