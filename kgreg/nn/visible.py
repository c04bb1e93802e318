"""The visible network: every term of a hierarchy is a small group of neurons that reads its children and genes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.architecture import Architecture
from kgreg.nn.burdens import Burdens
from kgreg.nn.constraints import EdgeRules
from kgreg.nn.derivatives import change_of, derive
from kgreg.nn.gene_weights import GeneWeightPenalty
from kgreg.nn.hierarchy import Backend, Hierarchy, Node, SparseRows
from kgreg.nn.hierarchy.layers import drop_rows
from kgreg.nn.inputs import Change, Derivatives, Inputs, NetworkOutput, Value
from kgreg.nn.knockouts import KnockedOut, knock_out
from kgreg.nn.layout import lay_out
from kgreg.nn.readout import Link, Readout


class VisibleNetwork(nn.Module):
    """Execute a blueprint as a visible network (Ma et al. 2018; Kuenzi et al. 2020).

    For a term t with children C(t) and genes G(t): ``z = W [h_c for c in C(t); x_g for g in G(t)] + b`` and
    ``h = tanh(BN(z))`` (norm "before", DCell) or ``h = BN(tanh(z))`` ("after", DrugCell). Parameters exist only for the
    edges of the blueprint, all terms of a level are computed at once, and an edge may skip levels. A gene with several
    features has a neuron of its own that reads them. See :class:`Architecture` for all that can be chosen.

    Parameters
    ----------
    blueprint
        Kinds ``gene`` (inputs) and any other (terms).
    n_outputs
        Classes, labels or regression targets.
    architecture
        What happens in the nodes and how outputs are read.
    n_covariates
        Columns of covariates.
    block_sizes
        Name -> columns, for every block of ``architecture.blocks``.
    interacting
        Columns of the covariates that also multiply the neurons that are read.
    link
        How outputs become predictions, for ``readout = "heads"``, which averages predictions: "softmax", "sigmoid" or
        "identity".
    networks
        R: how many networks of this shape are computed side by side, each with parameters of its own.
    backend
        What executes it: "auto", "fused", "csr", "triton" or "reference"; see :mod:`kgreg.nn.hierarchy`.

    Shapes
    ------
    input ``[batch, n_inputs]`` (R = 1) or :class:`Inputs`.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        n_outputs: int,
        architecture: Architecture | None = None,
        *,
        n_covariates: int = 0,
        block_sizes: Mapping[str, int] | None = None,
        interacting: Sequence[int] = (),
        link: Link = "identity",
        networks: int = 1,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        if n_outputs < 1:
            raise FitError(f"A network needs at least one output, not {n_outputs}.")
        self.architecture = architecture = architecture or Architecture()
        self.n_outputs, self.networks, self.backend = n_outputs, networks, backend
        self.n_inputs, self.n_covariates = len(blueprint.inputs), n_covariates
        layout = lay_out(blueprint, architecture, n_outputs, n_covariates)
        self.layout = layout
        self.term_ids: list[str] = layout.terms
        self.hierarchy = Hierarchy(layout.nodes, layout.n_inputs, networks)
        program = self.hierarchy.program
        n_heads = len(layout.head_of)
        first = len(layout.nodes) - n_heads - len(layout.terms)
        self.term_widths = program.width[first : first + len(layout.terms)]
        start = int(program.start[first])
        self.term_rows = slice(start, start + int(self.term_widths.sum()))
        self.rules = EdgeRules(layout, program, blueprint.edges, architecture.gene_scaling, networks)
        self.penalty = GeneWeightPenalty(blueprint, layout, program) if architecture.laplacian else None
        self.burdens = Burdens(layout, self.n_inputs, networks, architecture.burden) if architecture.burden else None
        self.branches = nn.ModuleDict()
        sizes = dict(block_sizes or {})
        if sorted(sizes) != sorted(architecture.blocks):
            raise FitError(
                f"The data have the blocks {sorted(sizes) or 'none'}, the network "
                f"{sorted(architecture.blocks) or 'none'}.",
                "Name the same in [data] blocks and [network] blocks.",
            )
        for name, widths in architecture.blocks.items():
            self.branches[name] = Hierarchy(
                _branch(name, widths, sizes[name], architecture, n_outputs), sizes[name], networks
            )
        read = layout.terms if architecture.readout == "terms" else layout.outputs
        rows = [np.arange(span.start, span.stop) for span in (self.hierarchy.rows(node) for node in read)]
        # What the readout reads: the neurons of the nodes that are read, and those of the heads, which stand last.
        self.taken = np.concatenate(rows), np.arange(self.term_rows.stop, program.n_neurons)
        at_head = n_covariates if architecture.covariates_at != "genes" else 0
        n_read = len(self.taken[0]) + sum(widths[-1] for widths in architecture.blocks.values())
        if architecture.heads != "none":
            n_heads += sum(len(widths) for widths in architecture.blocks.values())
        self.readout = Readout(
            architecture, n_read, n_outputs, n_heads, networks, link, at_head, interacting if at_head else ()
        )
        for network in range(networks):
            self.reset_parameters(network)

    def block_hierarchies(self) -> dict[str, Hierarchy]:
        """Return the branch of every block."""
        return {name: branch for name, branch in self.branches.items() if isinstance(branch, Hierarchy)}

    def reset_parameters(self, network: int = 0) -> None:
        """Draw the parameters of one network anew from torch's generator."""
        scale, norm_scale = self.architecture.initial_scale, self.architecture.initial_norm_scale
        initial = self.architecture.initial
        self.hierarchy.reset_parameters(network, scale, norm_scale, initial)
        self.rules.reset_parameters(self.hierarchy, network, scale)
        for branch in self.block_hierarchies().values():
            branch.reset_parameters(network, scale, norm_scale, initial)
        self.readout.reset_parameters(network, scale, norm_scale)

    def forward(self, x: Tensor | Inputs, seeds: NDArray[np.int64] | None = None) -> NetworkOutput:
        """Compute outputs, auxiliary outputs and the activations of the terms.

        ``seeds [R]`` decide what is dropped in training; drawn from torch's generator by default.
        """
        given = self.check(x)
        seeds = self._seeds(seeds)
        hidden, read, heads = self.hierarchy.take(
            self.hierarchy_inputs(given, seeds),
            self.taken,
            _counts(given, "genes", self.hierarchy),
            seeds,
            self.backend,
            self.rules.weights_of(self.hierarchy),
        )
        return self._finish(given, hidden, read, heads, seeds)

    def trace(self, x: Tensor | Inputs) -> tuple[NetworkOutput, list[Tensor]]:
        """Compute the same level by level; also return the activations of each, for gradients with respect to them."""
        given = self.check(x)
        levels = self.hierarchy.levels_of(
            _dense(self.hierarchy_inputs(given, None), self.hierarchy),
            self.backend,
            self.rules.weights_of(self.hierarchy),
        )
        hidden = torch.cat(levels, dim=1)
        read, heads = (hidden[:, rows] for rows in self.taken)
        return self._finish(given, hidden, read, heads, self._seeds(None)), levels

    def through(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return derivatives with respect to what :meth:`trace` gave, of the terms alone: ``[neurons, batch]``."""
        return torch.cat(list(gradients), dim=1)[0, self.term_rows]

    def derivatives(self, x: Tensor | Inputs, values: Sequence[Value]) -> tuple[NetworkOutput, list[Derivatives]]:
        """Compute one pass in evaluation mode, and derivatives of each of ``values`` by all inputs and terms.

        On the CPU by one kernel up and one down, whatever the number of levels; elsewhere, and where samples share
        rows, by autograd through :meth:`trace`. For one network.
        """
        given = self.check(x)
        genes = _dense(given.genes, self.hierarchy).detach().requires_grad_(True)
        given = replace(given, genes=genes)
        if genes.device.type != "cpu" or self.backend not in ("auto", "fused") or given.rows or self.training:
            out, levels = self.trace(given)
            return out, derive(out.outputs, values, genes, levels, self.through)
        read = self.hierarchy_inputs(given)
        assert isinstance(read, Tensor)
        parameters = self.rules.weights_of(self.hierarchy)
        kept = self.hierarchy.keep(read, parameters)
        taken = [kept.hidden[:, rows].requires_grad_(True) for rows in self.taken]
        out = self._finish(given, kept.hidden, taken[0], taken[1], self._seeds(None))
        found = []
        for value in values:
            direct = torch.zeros_like(kept.hidden)
            gradients = torch.autograd.grad(value(out.outputs).sum(), taken, retain_graph=True, allow_unused=True)
            for rows, gradient in zip(self.taken, gradients, strict=True):
                if gradient is not None:
                    direct[:, rows] += gradient
            total, slope = kept.back(direct)
            if read is not genes:
                (slope,) = torch.autograd.grad(read, genes, slope, retain_graph=True)
            found.append(Derivatives(slope[0], total[0, self.term_rows]))
        return out, found

    def intervene(self, x: Tensor | Inputs, change: Change) -> NetworkOutput:
        """Compute one pass in which ``change`` sets activations of terms, level by level.

        It is asked for the terms of each level once all below are as it left them, and what it returns is what the
        levels above read. Derivatives exist with respect to that. For one network.
        """
        given = self.check(x)

        def changed(rows: slice, values: Tensor) -> Tensor:
            start, stop = max(rows.start, self.term_rows.start), min(rows.stop, self.term_rows.stop)
            if start >= stop:
                return values
            own = slice(start - self.term_rows.start, stop - self.term_rows.start)
            before, after = start - rows.start, stop - rows.start
            instead = change(own, values[0, before:after])[None]
            return torch.cat([values[:, :before], instead, values[:, after:]], dim=1)

        levels = self.hierarchy.levels_of(
            _dense(self.hierarchy_inputs(given), self.hierarchy),
            self.backend,
            self.rules.weights_of(self.hierarchy),
            changed,
        )
        hidden = torch.cat(levels, dim=1)
        read, heads = (hidden[:, rows] for rows in self.taken)
        return self._finish(given, hidden, read, heads, self._seeds(None))

    def set_terms(self, x: Tensor | Inputs, times: float, plus: Tensor) -> Iterator[Tensor]:
        """Set every term by itself to ``times * h + plus`` and yield the outputs then, ``[batch, n_outputs]``.

        ``plus [neurons]`` in the order of ``NetworkOutput.hidden``. Only what stands above a term is computed again, on
        the CPU; elsewhere, and where samples share rows, all is. In evaluation mode, for one network.
        """
        given = self.check(x)
        if self.hierarchy.bias.device.type != "cpu" or self.backend not in ("auto", "fused") or given.rows:
            for span in self.term_slices().values():
                yield self.intervene(given, change_of(span, times, plus)).outputs
            return
        read = self.hierarchy_inputs(replace(given, genes=_dense(given.genes, self.hierarchy)))
        assert isinstance(read, Tensor)
        kept = self.hierarchy.keep(read, self.rules.weights_of(self.hierarchy))
        of_heads = self.architecture.readout == "heads"
        every = torch.zeros(self.hierarchy.program.n_neurons, dtype=plus.dtype)
        every[self.term_rows] = plus
        nodes = np.array([self.hierarchy.position[term] for term in self.term_ids], dtype=np.int64)
        parts, covariates, heads = self.beside(given)
        for block in kept.setting(nodes, times, every, self.taken[1] if of_heads else self.taken[0]):
            for rows in block:
                outputs = self.readout.outputs(
                    [] if of_heads else [rows, *parts], covariates, [rows, *heads] if of_heads else [], self.backend
                )
                yield outputs[0]

    def knock_out(
        self,
        x: Tensor | Inputs,
        columns: Sequence[Sequence[int] | NDArray[np.int64]],
        values: Tensor | float = 0.0,
        factors: Tensor | float = 0.0,
    ) -> Iterator[KnockedOut]:
        """Set inputs to other values, once for each entry of ``columns``, and return what changes; in evaluation mode.

        Only what reads the inputs is computed again, only in samples where they do change; networks with burdens take a
        full pass for each knockout. ``columns`` are positions in ``blueprint.inputs``; an input x becomes
        ``factors * x + values``, either one number, ``[n_inputs]`` or ``[R, n_inputs]``.

        Raises
        ------
        FitError
            In training, or if an input is not there.
        """
        return knock_out(self, x, columns, values, factors)

    def roughness(self) -> Tensor | None:
        """Return how much weights of interacting genes differ, ``[R]``; None where ``laplacian`` is 0."""
        return None if self.penalty is None else self.penalty(self.rules.weights_of(self.hierarchy))

    def predict(self, x: Tensor | Inputs) -> Tensor:
        """Return the outputs alone, ``[batch, n_outputs]``."""
        outputs: Tensor = self(x).outputs
        return outputs

    def _finish(
        self, given: Inputs, hidden: Tensor, read: Tensor, heads_read: Tensor, seeds: NDArray[np.int64]
    ) -> NetworkOutput:
        shared = given.rows.get("genes")
        parts, covariates, heads = self.beside(given, seeds)
        outputs, auxiliary = self.readout(
            [_expand(read, shared), *parts],
            covariates,
            [_expand(heads_read, shared), *heads],
            given.counts,
            self.backend,
        )
        terms = hidden[:, self.term_rows]
        if self.networks == 1:
            return NetworkOutput(outputs[0], None if auxiliary is None else auxiliary[0], terms[0])
        return NetworkOutput(outputs, auxiliary, terms)

    def beside(
        self, given: Inputs, seeds: NDArray[np.int64] | None = None
    ) -> tuple[list[Tensor], Tensor | None, list[Tensor]]:
        """Return what the readout reads beside the terms: last layers of the branches, covariates, branches' heads."""
        parts, heads = [], []
        for name, branch in self.block_hierarchies().items():
            counts = _counts(given, name, branch)
            widths = self.architecture.blocks[name]
            total = sum(widths)
            taken = np.arange(total - widths[-1], total), np.arange(total, branch.program.n_neurons)
            _, last, own = branch.take(given.blocks[name], taken, counts, seeds, self.backend)
            parts.append(_expand(last, given.rows.get(name)))
            heads.append(_expand(own, given.rows.get(name)))
        covariates = None
        if given.covariates is not None and self.architecture.covariates_at != "genes":
            covariates = given.covariates.transpose(1, 2)
        return parts, covariates, heads

    def check(self, x: Tensor | Inputs) -> Inputs:
        """Return the inputs in full form.

        Raises
        ------
        FitError
            If they do not fit the network.
        """
        given = x if isinstance(x, Inputs) else Inputs(x[None] if x.dim() == 2 else x)
        networks, _, found = given.genes.shape
        if found != self.n_inputs or networks != self.networks:
            raise FitError(
                f"The network reads {self.n_inputs} features"
                + (f" for each of {self.networks} networks" if self.networks > 1 else "")
                + f", the data have {found}"
                + (f" for {networks}." if self.networks > 1 or networks > 1 else ".")
            )
        columns = 0 if given.covariates is None else given.covariates.shape[2]
        if columns != self.n_covariates:
            raise FitError(f"The network reads {self.n_covariates} columns of covariates, the data have {columns}.")
        return given

    def hierarchy_inputs(self, given: Inputs, seeds: NDArray[np.int64] | None = None) -> Tensor | SparseRows:
        """Return all that the hierarchy reads: the features, dropped and scaled, covariates at the genes, burdens."""
        a = self.architecture
        drops = seeds is not None and self.training and a.dropout > 0
        shared = None if a.covariates_at == "head" else given.covariates
        if shared is not None and "genes" in given.rows:
            raise FitError("Covariates that join at genes or terms leave no rows to share between samples.")
        if isinstance(given.genes, SparseRows) and not drops and shared is None and self.burdens is None:
            return given.genes.scaled(a.input_scale) if a.input_scale != 1 else given.genes
        x = _dense(given.genes, self.hierarchy)
        # Burdens are those of the genes as they are, whatever of these is dropped.
        burdens = None if self.burdens is None else self.burdens(x)
        if drops:
            keys = torch.arange(x.shape[2], device=x.device) * 4 + 3
            x = drop_rows(x.transpose(1, 2), a.dropout, torch.from_numpy(seeds).to(x.device), keys).transpose(1, 2)
        if a.input_scale != 1:
            x = x * a.input_scale
        beside = [part for part in (shared, burdens) if part is not None]
        return torch.cat([x, *beside], dim=2) if beside else x

    def _seeds(self, seeds: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if seeds is not None:
            return seeds
        return torch.randint(1, 2**31 - 1, (self.networks,)).numpy()

    def term_slices(self) -> dict[str, slice]:
        """Return term id -> its rows in ``NetworkOutput.hidden``."""
        stops = np.cumsum(self.term_widths)
        return {
            term: slice(int(stop - width), int(stop))
            for term, width, stop in zip(self.term_ids, self.term_widths, stops, strict=True)
        }

    def n_parameters(self) -> int:
        """Return the number of trainable parameters of one network."""
        total = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return total // self.networks - self.rules.n_fixed


def _branch(name: str, widths: tuple[int, ...], size: int, architecture: Architecture, n_outputs: int) -> list[Node]:
    """Return the layers of a dense branch, each a node that reads the one before, and their heads."""
    nodes: list[Node] = []
    for number, width in enumerate(widths):
        inputs = list(range(size)) if number == 0 else []
        below = [] if number == 0 else [number - 1]
        nodes.append(
            Node(f"{name} {number + 1}", width, number, inputs, below, architecture.activation, architecture.norm)
        )
    activation = "identity" if architecture.heads == "linear" else "tanh"
    if architecture.heads in ("linear", "tanh", "tanh-linear"):
        top = len(widths)
        nodes += [Node(f"head of {n.id}", n_outputs, top, [], [i], activation) for i, n in enumerate(list(nodes))]  # type: ignore[arg-type]
    return nodes


def _expand(rows: Tensor, index: Tensor | None) -> Tensor:
    """Give every sample its row: ``[R, n, U]``, ``[R, B]`` -> ``[R, n, B]``."""
    if index is None:
        return rows
    return torch.stack([rows[r].index_select(1, index[r]) for r in range(len(rows))])


def _counts(given: Inputs, name: str, hierarchy: Hierarchy) -> Tensor | None:
    """Return how often every row of a table stands in the batch."""
    index = given.rows.get(name)
    if index is None:
        return given.counts
    table = given.genes if name == "genes" else given.blocks[name]
    counts = hierarchy.bias.new_zeros(table.shape[:2])
    weight = counts.new_ones(index.shape) if given.counts is None else given.counts
    return counts.scatter_add(1, index, weight)


def _dense(x: Tensor | SparseRows, hierarchy: Hierarchy) -> Tensor:
    return x.dense(hierarchy.bias.dtype, hierarchy.bias.device) if isinstance(x, SparseRows) else x
