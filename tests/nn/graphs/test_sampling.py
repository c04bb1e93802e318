"""Neighbours are drawn as they should be: from the graph, without replacement, all alike."""

from __future__ import annotations

import numpy as np
import torch

from kgreg.nn.graphs.genes import gene_graph, mean_of_neighbours
from kgreg.nn.graphs.sampling import sample_blocks, sample_neighbours
from tests.nn.graphs.slow_graphs import random_blueprint


def csr(n: int = 12, edges: int = 30) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    adjacency = mean_of_neighbours(gene_graph(random_blueprint(n, edges=edges)).adjacency().sorted_indices())
    pointer, column = (torch.from_numpy(part.astype(np.int64)) for part in (adjacency.indptr, adjacency.indices))
    return pointer, column, adjacency.toarray() > 0


def test_draws_are_distinct_neighbours() -> None:
    pointer, column, joined = csr()
    nodes = torch.tensor([3, 11, 0, 5])
    for fanout in (1, 3, 100):
        row, neighbour = sample_neighbours(pointer, column, nodes, fanout)
        for k, node in enumerate(nodes.tolist()):
            own = neighbour[row == k].tolist()
            assert len(set(own)) == len(own) == min(fanout, int(joined[node].sum()))
            assert joined[node, own].all()


def test_every_set_of_neighbours_is_as_likely() -> None:
    torch.manual_seed(0)
    pointer, column = torch.tensor([0, 4]), torch.tensor([0, 1, 2, 3])
    draws = 12_000
    row, neighbour = sample_neighbours(pointer, column, torch.zeros(draws, dtype=torch.long), 2)
    pairs = neighbour[torch.argsort(row, stable=True)].view(draws, 2).sort(dim=1).values
    counts = torch.bincount(pairs[:, 0] * 4 + pairs[:, 1], minlength=16)
    found = counts[counts > 0]
    assert len(found) == 6
    # Chi-square with 5 degrees of freedom: above 20.5 in one of a thousand draws.
    assert float(((found - draws / 6) ** 2 / (draws / 6)).sum()) < 20.5


def test_blocks_lead_from_the_features_to_the_seeds() -> None:
    pointer, column, joined = csr()
    seeds = torch.tensor([7, 2, 11])
    nodes, blocks = sample_blocks(pointer, column, seeds, (2, 3))
    assert len(blocks) == 2
    below = nodes
    for block, fanout in zip(blocks, (3, 2), strict=True):
        above = below[block.itself]
        means = block.mean(torch.eye(12, dtype=torch.float64)[below][:, None])[:, 0]
        for node, mean in zip(above.tolist(), means, strict=True):
            count = min(fanout, int(joined[node].sum()))
            taken = torch.nonzero(mean)[:, 0].tolist()
            assert len(taken) == count
            assert joined[node, taken].all()
            np.testing.assert_allclose(mean[taken], 1 / max(count, 1))
        below = above
    assert below.tolist() == seeds.tolist()
