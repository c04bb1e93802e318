"""The visible network: every term of a hierarchy is a small group of neurons that reads its children and genes."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.sparse import SparseLinear, expand_blocks, uniform_bias

Order = Literal["norm-tanh", "tanh-norm"]


class NetworkOutput(NamedTuple):
    """What one pass computes.

    ``outputs`` ``[batch, n_outputs]`` (logits or values); ``auxiliary`` ``[n_terms, n_outputs, batch]`` or None;
    ``hidden`` one ``[neurons of the level, batch]`` a level.
    """

    outputs: Tensor
    auxiliary: Tensor | None
    hidden: list[Tensor]


class VisibleNetwork(nn.Module):
    """Execute a blueprint as a visible network (Ma et al. 2018, DCell; Kuenzi et al. 2020, DrugCell).

    For a term t with children C(t) and genes G(t): ``z = W [h_c for c in C(t); x_g for g in G(t)] + b`` and
    ``h = tanh(BN(z))`` ("norm-tanh", DCell) or ``h = BN(tanh(z))`` ("tanh-norm", DrugCell). Parameters exist only for
    the edges of the blueprint; all terms of a level are computed at once; an edge may skip levels. The outputs are
    linear in the neurons of the output nodes; every other term has, with ``auxiliary``, a linear head of its own.

    Parameters
    ----------
    blueprint
        Kinds ``gene`` (inputs) and any other (terms).
    n_outputs
        Classes or regression targets.
    order
        Of batch normalisation and tanh.
    auxiliary
        Whether terms have heads.
    dropout
        Probability with which an input gene is set to 0 (its mean, after scaling) for a sample in training.

    Shapes
    ------
    input ``[batch, n_inputs]`` in the order of ``blueprint.inputs``.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        n_outputs: int,
        *,
        order: Order = "norm-tanh",
        auxiliary: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if n_outputs < 1:
            raise FitError(f"A network needs at least one output, not {n_outputs}.")
        self.order: Order = order
        self.n_outputs = n_outputs
        layout = _Layout(blueprint)
        self.n_inputs = len(blueprint.inputs)
        self.term_ids: list[str] = layout.term_ids
        self.term_widths = layout.width
        self.level_slices: list[slice] = layout.levels
        self.drop = nn.Dropout(dropout)
        self.gene_links = SparseLinear(*layout.gene_links, layout.n_neurons, self.n_inputs, layout.fan_in)
        self.bias = nn.Parameter(uniform_bias(layout.fan_in))
        self.term_links = nn.ModuleList()
        self.norms = nn.ModuleList()
        self._reads: list[list[tuple[int, str]]] = []
        for number, level in enumerate(self.level_slices):
            rows, cols = layout.term_links(level)
            read, cols = np.unique(cols, return_inverse=True)
            fan_in = layout.fan_in[level]
            self.term_links.append(SparseLinear(rows - level.start, cols, len(fan_in), len(read), fan_in))
            self.norms.append(nn.BatchNorm1d(len(fan_in)))
            parts = []
            for below, span in enumerate(self.level_slices[:number]):
                inside = read[(read >= span.start) & (read < span.stop)] - span.start
                if len(inside):
                    name = f"_rows_{number}_{below}"
                    self.register_buffer(name, torch.from_numpy(inside), persistent=False)
                    parts.append((below, name))
            self._reads.append(parts)
        self.heads = _heads(layout, n_outputs) if auxiliary else None
        self.head_bias = nn.Parameter(torch.zeros(len(self.term_ids) * n_outputs)) if auxiliary else None
        self.register_buffer("_output_rows", torch.from_numpy(layout.output_rows), persistent=False)
        self.readout = nn.Linear(len(layout.output_rows), n_outputs)

    def forward(self, x: Tensor) -> NetworkOutput:
        """Return outputs, auxiliary outputs and the activations of every level for ``x [batch, n_inputs]``."""
        if x.shape[1] != self.n_inputs:
            raise FitError(f"The network reads {self.n_inputs} features, the data have {x.shape[1]}.")
        direct = self.gene_links(self.drop(x).t()) + self.bias[:, None]
        hidden: list[Tensor] = []
        for level, links, norm, reads in zip(self.level_slices, self.term_links, self.norms, self._reads, strict=True):
            z = direct[level]
            if reads:
                z = z + links(torch.cat([hidden[below].index_select(0, getattr(self, name)) for below, name in reads]))
            hidden.append(self._activate(z, norm))
        return NetworkOutput(self._read(hidden), self._auxiliary(hidden), hidden)

    def predict(self, x: Tensor) -> Tensor:
        """Return the outputs alone, ``[batch, n_outputs]``."""
        outputs: Tensor = self(x).outputs
        return outputs

    def _activate(self, z: Tensor, norm: nn.Module) -> Tensor:
        # Batch norm takes [N, C, L] and treats N and L alike: [1, neurons, batch] needs no transposition.
        if self.order == "norm-tanh":
            return torch.tanh(norm(z[None])[0])
        normed: Tensor = norm(torch.tanh(z)[None])[0]
        return normed

    def _read(self, hidden: list[Tensor]) -> Tensor:
        rows: Tensor = self._output_rows  # type: ignore[assignment]
        outputs: Tensor = self.readout(torch.cat(hidden)[rows].t())
        return outputs

    def _auxiliary(self, hidden: list[Tensor]) -> Tensor | None:
        if self.heads is None or self.head_bias is None:
            return None
        flat: Tensor = self.heads(torch.cat(hidden)) + self.head_bias[:, None]
        return flat.view(len(self.term_ids), self.n_outputs, -1)

    def term_slices(self) -> dict[str, slice]:
        """Return term id -> its rows in the concatenated activations of all levels."""
        stops = np.cumsum(self.term_widths)
        return {
            term: slice(int(stop - width), int(stop))
            for term, width, stop in zip(self.term_ids, self.term_widths, stops, strict=True)
        }

    def n_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


class _Layout:
    """Where every neuron and every weight of a blueprint lies."""

    def __init__(self, blueprint: Blueprint) -> None:
        terms = blueprint.terms
        if terms.empty or blueprint.inputs.empty:
            raise FitError("A visible network needs at least one input and one term.", "Loosen the pruning.")
        self.term_ids = terms["id"].tolist()
        self.width = terms["width"].to_numpy(dtype=np.int64)
        self.start = np.cumsum(self.width) - self.width
        self.n_neurons = int(self.width.sum())
        level_of = terms["level"].to_numpy()
        self.levels = []
        for level in np.unique(level_of):
            inside = np.flatnonzero(level_of == level)
            self.levels.append(slice(int(self.start[inside[0]]), int(self.start[inside[-1]] + self.width[inside[-1]])))
        term = {node: i for i, node in enumerate(self.term_ids)}
        edges = blueprint.edges
        inner = edges["source"].isin(term).to_numpy()
        child = edges.loc[inner, "source"].map(term).to_numpy(dtype=np.int64)
        above_child = edges.loc[inner, "target"].map(term).to_numpy(dtype=np.int64)
        # A term that reads a gene reads every input of it, one for each modality.
        read = blueprint.inputs.reset_index(names="column").rename(columns={"node": "source"})
        links = edges.loc[~inner, ["source", "target"]].merge(read, on="source", how="left")
        gene = links["column"].to_numpy(dtype=np.int64)
        above_gene = links["target"].map(term).to_numpy(dtype=np.int64)
        rows, cols, _ = expand_blocks(
            self.start[above_gene], self.width[above_gene], gene, np.ones(len(gene), dtype=np.int64)
        )
        self.gene_links = (rows, cols)
        self._rows, self._cols, _ = expand_blocks(
            self.start[above_child], self.width[above_child], self.start[child], self.width[child]
        )
        self.fan_in = np.bincount(np.concatenate([rows, self._rows]), minlength=self.n_neurons).astype(float)
        outputs = np.array([term[node] for node in dict.fromkeys(blueprint.outputs["node"])], dtype=np.int64)
        self.output_rows = np.concatenate([np.arange(self.start[i], self.start[i] + self.width[i]) for i in outputs])

    def term_links(self, level: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns (neurons) of the edges into the terms of ``level``."""
        inside = (self._rows >= level.start) & (self._rows < level.stop)
        return self._rows[inside], self._cols[inside]


def _heads(layout: _Layout, n_outputs: int) -> SparseLinear:
    """Return one linear head a term as a single block-diagonal map ``neurons -> terms * n_outputs``."""
    n_terms = len(layout.term_ids)
    outputs = np.full(n_terms, n_outputs, dtype=np.int64)
    rows, cols, _ = expand_blocks(np.arange(n_terms) * n_outputs, outputs, layout.start, layout.width)
    return SparseLinear(rows, cols, n_terms * n_outputs, layout.n_neurons)
