"""What changes in a hierarchy when a few inputs do: only what reads them is computed again.

A sweep over many knockouts starts from one full pass, whose sums (before normalisation and activation) are kept. A
knockout then adds to the sums of its readers what its columns change, turns those into activations, and sends the
differences on to their readers, and so on upwards. Samples whose inputs stay as they are (a gene set to 0 where it is 0
already) are left out; of mutations, that is most of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.hierarchy import changes
from kgreg.nn.hierarchy.fused import Parameters, read_inputs
from kgreg.nn.hierarchy.inputs import SparseRows
from kgreg.nn.hierarchy.program import Index, spans
from kgreg.nn.threads import use_threads

if TYPE_CHECKING:
    from kgreg.nn.hierarchy.module import Backend, Hierarchy

_AT_ONCE = 2**24  # activations that a block of knockouts may change


class Knockout(NamedTuple):
    """What one knockout changes.

    ``neurons [n]`` and ``samples [s]`` that may differ from the base, ascending, and their new activations
    ``hidden [R, n, s]``; all others stay.
    """

    neurons: Index
    samples: Index
    hidden: Tensor


@dataclass(frozen=True)
class Sweep:
    """The unchanged activations ``hidden [R, N, B]``, and the knockouts in blocks of a bounded size, in their order."""

    hidden: Tensor
    blocks: Iterator[list[Knockout]]


def sweep(
    hierarchy: Hierarchy,
    x: Tensor | SparseRows,
    columns: Sequence[Sequence[int] | Index],
    values: Tensor | float,
    factors: Tensor | float,
    among: NDArray[np.bool_],
    parameters: Parameters,
    backend: Backend,
) -> Sweep:
    """Return what :meth:`kgreg.nn.hierarchy.Hierarchy.knockouts` promises; ``backend`` is a chosen one."""
    if hierarchy.training:
        raise FitError("Knockouts are computed in evaluation mode.", "Call eval() first.")
    program = hierarchy.program
    knocked = [np.unique(np.asarray(c, dtype=np.int64)) for c in columns]
    for number, c in enumerate(knocked):
        if len(c) and (c[0] < 0 or c[-1] >= program.n_inputs):
            raise FitError(f"Knockout {number} names an input that is not among the {program.n_inputs}.")
    device, dtype = hierarchy.bias.device, hierarchy.bias.dtype
    silent = torch.as_tensor(values, dtype=dtype, device=device)
    silent = silent.expand(hierarchy.networks, program.n_inputs)
    kept = torch.as_tensor(factors, dtype=dtype, device=device).expand(hierarchy.networks, program.n_inputs)
    ptr = np.concatenate([[0], np.cumsum([len(c) for c in knocked])]).astype(np.int64)
    flat = np.concatenate(knocked) if len(ptr) > 1 else np.zeros(0, np.int64)
    reached, node = _reach(program, ptr, flat, among)
    with torch.no_grad():
        hidden = hierarchy(x, backend=backend, parameters=parameters)
        if backend == "fused":
            blocks = _changes(hierarchy, x, hidden, ptr, flat, silent, kept, reached, node, parameters)
        else:
            dense = x.dense(dtype, device) if isinstance(x, SparseRows) else x
            blocks = _full_passes(hierarchy, dense, knocked, silent, kept, reached, node, parameters, backend)
    return Sweep(hidden, blocks)


def _reach(program: Any, ptr: Index, columns: Index, among: NDArray[np.bool_]) -> tuple[Index, Index]:
    """Return the nodes that each knockout reaches: pointer ``[K + 1]``, and the nodes, ascending."""
    reached = np.zeros(len(ptr), np.int64)
    changes.reach(program, ptr, columns, among, reached, np.zeros(0, np.int64))
    np.cumsum(reached, out=reached)
    node = np.empty(reached[-1], np.int64)
    changes.reach(program, ptr, columns, among, reached, node)
    return reached, node


def _neurons(program: Any, nodes: Index) -> Index:
    found: Index = spans(program.start[nodes], program.width[nodes])[1]
    return found


def _changes(
    hierarchy: Hierarchy,
    x: Tensor | SparseRows,
    hidden: Tensor,
    ptr: Index,
    columns: Index,
    silent: Tensor,
    kept: Tensor,
    reached: Index,
    node: Index,
    parameters: Parameters,
) -> Iterator[list[Knockout]]:
    program, (networks, _, batch) = hierarchy.program, hidden.shape
    inputs, links, bias, scale, shift = (np.ascontiguousarray(p.detach().numpy()) for p in parameters)
    source, sparse = read_inputs(x.detach() if isinstance(x, Tensor) else x, inputs.dtype)
    values, factors = np.ascontiguousarray(silent.numpy()), np.ascontiguousarray(kept.numpy())
    base = hidden.numpy()
    use_threads()
    sums = np.empty_like(base)
    changes.sums(program, source, sparse, base, inputs, links, bias, sums)
    mean, variance = hierarchy.running.numpy()
    gain = scale / np.sqrt(variance + hierarchy.epsilon).astype(scale.dtype)
    widths = np.concatenate([[0], np.cumsum(program.width[node])])[reached]
    n_neurons = np.diff(widths)
    first = 0
    while first < len(n_neurons):
        most = np.cumsum(n_neurons[first:] * networks * batch)
        last = first + max(1, int(np.searchsorted(most, _AT_ONCE, side="right")))
        block = slice(first, last)
        use_threads()
        touched = np.zeros((last - first, batch), np.bool_)
        changes.find_samples(source, sparse, values, factors, ptr[first : last + 1], columns, touched)
        samples = np.nonzero(touched)[1]
        sample_ptr = np.concatenate([[0], np.cumsum(touched.sum(axis=1))])
        counts = np.diff(sample_ptr)
        place = np.concatenate([[0], np.cumsum(networks * n_neurons[block] * counts)])
        rows = np.empty(place[-1], base.dtype)
        changes.recompute(
            program, source, sparse, values, factors, ptr[first : last + 1], columns, reached[first : last + 1],
            node, sample_ptr, samples, n_neurons[block], base, sums, inputs, links, gain, mean, shift, place, rows,
        )  # fmt: skip
        yield [
            Knockout(
                _neurons(program, node[reached[first + k] : reached[first + k + 1]]),
                samples[sample_ptr[k] : sample_ptr[k + 1]],
                torch.from_numpy(
                    rows[place[k] : place[k + 1]].reshape(networks, int(n_neurons[first + k]), int(counts[k]))
                ),
            )
            for k in range(last - first)
        ]
        first = last


def _full_passes(
    hierarchy: Hierarchy,
    x: Tensor,
    knocked: list[Index],
    silent: Tensor,
    kept: Tensor,
    reached: Index,
    node: Index,
    parameters: Parameters,
    backend: Backend,
) -> Iterator[list[Knockout]]:
    samples = np.arange(x.shape[1])
    for k, columns in enumerate(knocked):
        changed = x.clone()
        which = torch.from_numpy(columns).to(x.device)
        changed[:, :, which] = (kept[:, None, which] * x[:, :, which] + silent[:, None, which]).to(x.dtype)
        neurons = _neurons(hierarchy.program, node[reached[k] : reached[k + 1]])
        with torch.no_grad():
            hidden = hierarchy(changed, backend=backend, parameters=parameters)
        yield [Knockout(neurons, samples, hidden[:, torch.from_numpy(neurons).to(x.device)])]
