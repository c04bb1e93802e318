"""Outputs and terms of a visible network when inputs are silenced, without computing the rest again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.hierarchy import Knockout, SparseRows, Sweep

if TYPE_CHECKING:
    from kgreg.nn.inputs import Inputs
    from kgreg.nn.visible import VisibleNetwork

Index = NDArray[np.int64]


class KnockedOut(NamedTuple):
    """What a knockout changes in a network's output; all else stays as it was. A leading R where there are several.

    Attributes
    ----------
    samples, outputs
        Samples of the batch ``[s]``, and their outputs ``[s, n_outputs]``.
    neurons, rows, hidden
        Rows ``[n]`` and columns ``[u]`` of :attr:`NetworkOutput.hidden`, and what stands there now, ``[n, u]``. Columns
        are samples, or the rows that samples share.
    """

    samples: Index
    outputs: Tensor
    neurons: Index
    rows: Index
    hidden: Tensor


def knock_out(
    network: VisibleNetwork,
    x: Tensor | Inputs,
    columns: Sequence[Sequence[int] | Index],
    values: Tensor | float = 0.0,
    factors: Tensor | float = 0.0,
) -> Iterator[KnockedOut]:
    """See :meth:`kgreg.nn.VisibleNetwork.knock_out`."""
    if network.training:
        raise FitError("Knockouts are computed in evaluation mode.", "Call eval() first.")
    given = network.check(x)
    knocked = [np.asarray(c, dtype=np.int64) for c in columns]
    for number, c in enumerate(knocked):
        if len(c) and (c.min() < 0 or c.max() >= network.n_inputs):
            raise FitError(f"Knockout {number} names an input that is not among the {network.n_inputs}.")
    hierarchy = network.hierarchy
    silent = torch.as_tensor(values, dtype=hierarchy.bias.dtype, device=hierarchy.bias.device)
    silent = silent.expand(network.networks, network.n_inputs)
    kept = torch.as_tensor(factors, dtype=silent.dtype, device=silent.device).expand_as(silent)
    if network.burdens is not None:
        # A burden is no linear function of its genes, and every term above has one: little would be saved.
        return _full_passes(network, given, knocked, silent, kept)
    program = hierarchy.program
    among = np.ones(program.n_nodes, dtype=np.bool_)
    if network.architecture.readout != "heads":
        among[program.start >= network.term_rows.stop] = False
    with torch.no_grad():
        silent = silent * network.architecture.input_scale
        beside = silent.new_zeros(network.networks, program.n_inputs - network.n_inputs)  # covariates: never set
        sweep = hierarchy.knockouts(
            network.hierarchy_inputs(given),
            knocked,
            torch.cat([silent, beside], dim=1),
            torch.cat([kept, beside], dim=1),
            among,
            network.backend,
            network.rules.weights_of(hierarchy),
        )
    return _read_out(network, given, sweep)


@torch.no_grad()
def _read_out(network: VisibleNetwork, given: Inputs, sweep: Sweep) -> Iterator[KnockedOut]:
    """Compute the outputs, for a block of knockouts in one go."""
    parts, covariates, heads = network.beside(given)
    of_heads = network.architecture.readout == "heads"
    read_rows = network.taken[1] if of_heads else network.taken[0]
    base = sweep.hidden[:, torch.from_numpy(read_rows).to(sweep.hidden.device)]
    shared = given.rows.get("genes")
    row_of = None if shared is None else shared.cpu().numpy()
    for block in sweep.blocks:
        found = [_changed(knockout, base, read_rows, row_of, sweep.hidden.shape[2]) for knockout in block]
        samples = torch.from_numpy(np.concatenate([members for members, _ in found])).to(base.device)
        read = torch.cat([rows for _, rows in found], dim=2)
        others = [part.index_select(2, samples) for part in parts]
        outputs = network.readout.outputs(
            [] if of_heads else [read, *others],
            None if covariates is None else covariates.index_select(2, samples),
            [read, *(head.index_select(2, samples) for head in heads)] if of_heads else [],
            network.backend,
        )
        done = 0
        for knockout, (members, _) in zip(block, found, strict=True):
            yield _one(network, knockout, members, outputs[:, done : done + len(members)])
            done += len(members)


def _changed(
    knockout: Knockout, base: Tensor, read_rows: Index, row_of: Index | None, n_rows: int
) -> tuple[Index, Tensor]:
    """Return the samples that a knockout changes, and the neurons that are read there, ``[R, n, s]``."""
    place = np.full(n_rows, -1)
    place[knockout.samples] = np.arange(len(knockout.samples))
    table = np.arange(n_rows)[None].repeat(len(base), axis=0) if row_of is None else row_of
    members = np.flatnonzero((place[table] >= 0).any(axis=0))
    order = np.argsort(read_rows, kind="stable")
    at = np.searchsorted(read_rows[order], knockout.neurons)
    at[at == len(order)] = 0
    hit = read_rows[order][at] == knockout.neurons if len(order) else np.zeros(len(at), dtype=np.bool_)
    into, off = torch.from_numpy(order[at[hit]]).to(base.device), torch.from_numpy(np.flatnonzero(hit)).to(base.device)
    networks = []
    for r in range(len(base)):
        mine = table[r, members]
        rows = base[r][:, torch.from_numpy(mine).to(base.device)]
        reached = np.flatnonzero(place[mine] >= 0)
        columns = torch.from_numpy(reached).to(base.device)
        source = torch.from_numpy(place[mine[reached]]).to(base.device)
        rows[into[:, None], columns[None]] = knockout.hidden[r][off[:, None], source[None]]
        networks.append(rows)
    return members, torch.stack(networks)


def _one(network: VisibleNetwork, knockout: Knockout, samples: Index, outputs: Tensor) -> KnockedOut:
    span = network.term_rows
    first, last = np.searchsorted(knockout.neurons, [span.start, span.stop])
    neurons, hidden = knockout.neurons[first:last] - span.start, knockout.hidden[:, first:last]
    if network.networks == 1:
        outputs, hidden = outputs[0], hidden[0]
    return KnockedOut(samples, outputs, neurons, knockout.samples, hidden)


@torch.no_grad()
def _full_passes(
    network: VisibleNetwork, given: Inputs, columns: list[Index], silent: Tensor, kept: Tensor
) -> Iterator[KnockedOut]:
    genes = given.genes.dense(silent.dtype) if isinstance(given.genes, SparseRows) else given.genes
    for knocked in columns:
        changed = genes.clone()
        which = torch.from_numpy(knocked).to(genes.device)
        changed[:, :, which] = (kept[:, None, which] * genes[:, :, which] + silent[:, None, which]).to(genes.dtype)
        out = network(replace(given, genes=changed))
        rows = np.arange(out.hidden.shape[-1])
        yield KnockedOut(
            np.arange(out.outputs.shape[-2]), out.outputs, np.arange(out.hidden.shape[-2]), rows, out.hidden
        )
