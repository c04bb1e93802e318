"""Groups of neurons, each a map of those before it that exists only where the hierarchy has links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.sparse import SparseLinear, expand_blocks

TermActivation = Literal["identity", "relu", "tanh"]

_ACTIVATIONS = {"identity": lambda z: z, "relu": torch.relu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Links:
    """Neurons in groups, and the links between them.

    Attributes
    ----------
    sizes
        Neurons of every group; the first group is given, the others are computed one after the other.
    rows, cols
        ``[n_links]`` number of the neuron that reads and of the one that is read, counted over all groups; a link
        always leads to a later group.
    active
        ``[n_neurons]``: whether a neuron passes its sum through the activation; inputs and roots do not.
    term_start
        ``[n_terms]``: number of the first neuron of every term, in the order of ``blueprint.terms``; the others of the
        term follow it.
    """

    sizes: list[int]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    active: NDArray[np.bool_]
    term_start: NDArray[np.int64]


def links_up(blueprint: Blueprint, width: int) -> Links:
    """Return inputs, then the terms of each level, ``width`` neurons each: what an encoder computes."""
    level = blueprint.terms["level"].to_numpy()
    groups = [np.flatnonzero(level == value) for value in np.unique(level)]
    return _links(blueprint, width, [None, *groups], rising=True)


def links_down(blueprint: Blueprint, width: int) -> Links:
    """Return the roots, then all other terms from the highest level to the lowest, then inputs: a decoder."""
    terms = blueprint.terms
    root = terms["id"].isin(set(blueprint.roots)).to_numpy()
    level = terms["level"].to_numpy()
    groups = [np.flatnonzero((level == value) & ~root) for value in np.unique(level)[::-1]]
    return _links(blueprint, width, [np.flatnonzero(root), *(g for g in groups if len(g)), None], rising=False)


def _links(blueprint: Blueprint, width: int, groups: list[NDArray[np.int64] | None], rising: bool) -> Links:
    """Number the neurons of ``groups`` (positions in ``blueprint.terms``; None: the inputs) and link them."""
    terms = blueprint.terms["id"].tolist()
    n_inputs = len(blueprint.inputs)
    roots = set(blueprint.roots)
    start_of: dict[str, list[tuple[int, int]]] = {}
    sizes, active, begin = [], [], 0
    for group in groups:
        if group is None:
            for i, node in enumerate(blueprint.inputs["node"]):
                start_of.setdefault(node, []).append((begin + i, 1))
            size, passes = n_inputs, np.zeros(n_inputs, dtype=bool)
        else:
            for i, term in enumerate(group):
                start_of[terms[term]] = [(begin + i * width, width)]
            size = len(group) * width
            passes = np.repeat([terms[term] not in roots for term in group], width).astype(bool)
        sizes.append(size)
        active.append(passes)
        begin += size
    pairs = [
        (*above, *below)
        for child, parent in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True)
        for below in start_of[child]
        for above in start_of[parent]
    ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 4)
    above, below = (table[:, 0], table[:, 1]), (table[:, 2], table[:, 3])
    rows, cols, _ = expand_blocks(*(above if rising else below), *(below if rising else above))
    starts = np.array([start_of[term][0][0] for term in terms], dtype=np.int64)
    return Links(sizes, rows, cols, np.concatenate(active), starts)


class Cascade(nn.Module):
    """Compute group after group: ``h_g = a(W_g [h_0, ..., h_(g-1)] + S_g h_(g-1) + b_g)``.

    ``W_g`` has weights only where there are links, from any group before, so that links that skip levels are links
    like all others. ``S_g`` (soft links) joins every neuron of a group with every neuron of the group before that it
    has no link with; it starts near 0.

    Parameters
    ----------
    links
        From :func:`links_up` or :func:`links_down`.
    activation
        Of the neurons that are neither inputs nor roots.
    soft
        Whether there are soft links.
    non_negative
        Whether weights of links start at 0 or above; :meth:`clamp` keeps them there.

    Shapes
    ------
    input ``[sizes[0], batch]``, output one ``[sizes[g], batch]`` a group, the given one first.
    """

    def __init__(
        self, links: Links, activation: TermActivation = "identity", soft: bool = False, non_negative: bool = False
    ) -> None:
        super().__init__()
        self.links, self.activation, self.non_negative = links, activation, non_negative
        starts = np.concatenate([[0], np.cumsum(links.sizes)])
        self.layers, self.biases, self.soft = nn.ModuleList(), nn.ParameterList(), nn.ParameterList()
        for group in range(1, len(links.sizes)):
            first, last = int(starts[group]), int(starts[group + 1])
            own = (links.rows >= first) & (links.rows < last)
            rows, cols, size = links.rows[own] - first, links.cols[own], last - first
            layer = SparseLinear(rows, cols, size, first)
            bound = 1 / torch.from_numpy(np.bincount(rows, minlength=size)).clamp(min=1).to(layer.weight.dtype).sqrt()
            self.layers.append(layer)
            self.biases.append(nn.Parameter((torch.rand(size) * 2 - 1).to(bound) * bound))
            passes = links.active[first:last]
            self.register_buffer(f"active_{group}", torch.from_numpy(passes), persistent=False)
            before = int(starts[group - 1])
            if soft:
                free = torch.ones(size, first - before, dtype=torch.bool)
                near = cols >= before
                free[torch.from_numpy(rows[near]), torch.from_numpy(cols[near] - before)] = False
                self.register_buffer(f"free_{group}", free, persistent=False)
                self.soft.append(nn.Parameter(torch.randn(free.shape) * _SOFT_SPREAD * free))
        with torch.no_grad():
            self.clamp()

    def forward(self, given: Tensor) -> list[Tensor]:
        """Return the activations of all groups."""
        groups = [given]
        for i, layer in enumerate(self.layers):
            z = layer(groups[0] if i == 0 else torch.cat(groups)) + self.biases[i][:, None]
            if len(self.soft):
                z = z + (self.soft[i] * getattr(self, f"free_{i + 1}")) @ groups[-1]
            groups.append(self._activate(z, i + 1))
        return groups

    def activities(self, groups: list[Tensor], width: int) -> Tensor:
        """Return the mean over the neurons of every term, ``[batch, n_terms]`` in the order of ``blueprint.terms``."""
        hidden = torch.cat(groups)
        rows = self.links.term_start[:, None] + np.arange(width)
        taken = hidden.index_select(0, torch.from_numpy(rows.reshape(-1)).to(hidden.device))
        return taken.view(len(rows), width, -1).mean(dim=1).t()

    def soft_sum(self) -> tuple[Tensor, int]:
        """Return the sum of the absolute soft links, and how many there are."""
        total = self.biases[0].new_zeros(())
        n = 0
        for i, weight in enumerate(self.soft):
            free = getattr(self, f"free_{i + 1}")
            total = total + (weight.abs() * free).sum()
            n += int(free.sum())
        return total, n

    def clamp(self) -> None:
        """Set negative weights of links to 0 if they are not allowed; soft links keep their signs."""
        if self.non_negative:
            for layer in self.layers:
                layer.weight.clamp_(min=0)  # type: ignore[operator]

    def _activate(self, z: Tensor, group: int) -> Tensor:
        if self.activation == "identity":
            return z
        passes: Tensor = getattr(self, f"active_{group}")
        return torch.where(passes[:, None], _ACTIVATIONS[self.activation](z), z)


#: Standard deviation of the soft links at the start.
_SOFT_SPREAD = 1e-3
