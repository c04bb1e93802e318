"""Neighbour sampling (Hamilton, Ying & Leskovec 2017): a step that touches a part of the graph.

torch-geometric's own loader needs compiled extensions; this needs torch alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kgreg.nn.sparse import SparsePattern, multiply


@dataclass(frozen=True)
class Block:
    """One layer of a sampled step: some nodes, and the sampled neighbours whose mean they take.

    Attributes
    ----------
    itself
        ``[n_out]``: where the nodes themselves stand among those of the layer below.
    pattern, values
        The matrix ``[n_out, n_in]`` that takes the means.
    """

    itself: Tensor
    pattern: SparsePattern
    values: Tensor

    def mean(self, h: Tensor) -> Tensor:
        """Return the means of ``h [n_in, batch, features]`` over the sampled neighbours, 0 where there are none."""
        mixed = multiply(self.pattern, self.values.to(h.dtype), h.flatten(1))
        return mixed.view(len(mixed), *h.shape[1:])


def sample_neighbours(pointer: Tensor, column: Tensor, nodes: Tensor, fanout: int) -> tuple[Tensor, Tensor]:
    """Draw up to ``fanout`` neighbours of each node without replacement, each set of them as likely as any other.

    Parameters
    ----------
    pointer, column
        CSR of the graph: int64 ``[n + 1]`` and ``[nnz]``.
    nodes
        ``[m]`` int64.

    Returns
    -------
    row, neighbour
        ``[e]`` each: position in ``nodes``, and the neighbour. Random numbers come from torch's generator.
    """
    start = pointer[nodes]
    degree = pointer[nodes + 1] - start
    few = torch.nonzero(degree <= fanout)[:, 0]
    many = torch.nonzero(degree > fanout)[:, 0]
    all_rows = torch.repeat_interleave(few, degree[few])
    first = torch.repeat_interleave(torch.cumsum(degree[few], 0) - degree[few], degree[few])
    all_places = start[all_rows] + torch.arange(len(all_rows), device=nodes.device) - first
    # Floyd's algorithm, for all rows at once: draw from a range that grows by one; what is there already gives way to
    # the range's end.
    size = degree[many]
    drawn = size.new_empty(len(many), fanout)
    for k in range(fanout):
        end = size - fanout + k
        place = (torch.rand(len(many), dtype=torch.float64, device=nodes.device) * (end + 1)).long().minimum(end)
        taken = (drawn[:, :k] == place[:, None]).any(dim=1)
        drawn[:, k] = torch.where(taken, end, place)
    some_rows = torch.repeat_interleave(many, fanout)
    some_places = (start[many][:, None] + drawn).flatten()
    return torch.cat([all_rows, some_rows]), column[torch.cat([all_places, some_places])]


def sample_blocks(
    pointer: Tensor, column: Tensor, seeds: Tensor, fanouts: tuple[int, ...]
) -> tuple[Tensor, list[Block]]:
    """Draw what the embeddings of ``seeds`` are computed from.

    Parameters
    ----------
    fanouts
        Neighbours of a node, from the seeds outwards: the last layer's first.

    Returns
    -------
    nodes, blocks
        The nodes whose features are read, and a block a layer, the first layer's first.
    """
    blocks: list[Block] = []
    nodes = seeds
    for fanout in fanouts:
        row, neighbour = sample_neighbours(pointer, column, nodes, fanout)
        below, place = torch.unique(torch.cat([nodes, neighbour]), return_inverse=True)
        itself, senders = place[: len(nodes)], place[len(nodes) :]
        count = torch.bincount(row, minlength=len(nodes)).clamp(min=1)
        pattern = SparsePattern(row.cpu().numpy(), senders.cpu().numpy(), len(nodes), len(below)).to(nodes.device)
        blocks.insert(0, Block(itself, pattern, 1.0 / count[pattern.row]))
        nodes = below
    return nodes, blocks
