"""Coarsening against a slow twin; pooling."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kgreg.nn.graphs.coarsening import MaxPooling, coarsen, merge_pairs, without_diagonal
from tests.nn.graphs.slow_graphs import slow_coarsen


@st.composite
def graphs(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.integers(1, 9))
    weights = draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.0, 2.5]), min_size=n * n, max_size=n * n))
    upper = np.triu(np.reshape(weights, (n, n)), k=1)
    dense: np.ndarray = upper + upper.T
    return dense


@given(graphs(), st.integers(0, 3))
def test_coarsening_equals_its_slow_twin(dense: np.ndarray, rounds: int) -> None:
    graph = {i: {int(j): float(row[j]) for j in np.flatnonzero(row)} for i, row in enumerate(dense)}
    expected, coarse, within = slow_coarsen(graph, rounds)
    clusters, found = coarsen(sparse.csr_matrix(dense), rounds)
    assert clusters.tolist() == expected
    wanted = np.zeros(found.shape)
    for i, row in coarse.items():
        wanted[i, i] = within.get(i, 0.0)
        for j, weight in row.items():
            wanted[i, j] = weight
    np.testing.assert_allclose(found.toarray(), wanted)


@given(graphs())
def test_merged_nodes_are_neighbours_and_at_most_two(dense: np.ndarray) -> None:
    clusters = merge_pairs(sparse.csr_matrix(dense))
    for cluster in range(clusters.max() + 1):
        members = np.flatnonzero(clusters == cluster)
        assert len(members) in (1, 2)
        assert len(members) == 1 or dense[members[0], members[1]] > 0
    # No two neighbours both stay alone.
    alone = [i for i in range(len(dense)) if (clusters == clusters[i]).sum() == 1]
    assert not dense[np.ix_(alone, alone)].any()


def test_the_diagonal_is_no_neighbour() -> None:
    graph = sparse.csr_matrix(np.array([[5.0, 1.0], [1.0, 0.0]]))
    assert without_diagonal(graph).toarray().tolist() == [[0, 1], [1, 0]]
    assert merge_pairs(graph).tolist() == [0, 0]


def test_pooling_takes_the_largest_of_each_cluster() -> None:
    pooling = MaxPooling(np.array([1, 0, 1, 2, 1]))
    h = torch.randn(5, 3, 2, dtype=torch.float64, requires_grad=True)
    pooled = pooling(h)
    expected = torch.stack([h[1], h[[0, 2, 4]].amax(0), h[3]])
    torch.testing.assert_close(pooled, expected)
    weights = torch.randn_like(pooled)
    slope, wanted = (torch.autograd.grad((each * weights).sum(), h)[0] for each in (pooled, expected))
    torch.testing.assert_close(slope, wanted)
